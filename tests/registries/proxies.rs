//! Registries behind a proxy that makes tunnels.

use base64::Engine as _;

use super::support::command::Work;
use super::support::images::IMAGES;
use super::support::{DockerRegistry, PASSWORD, USER};
use super::tunnel::Tunnel;

#[test]
fn a_registry_behind_a_proxy_is_reached_through_it() {
    let work = Work::new();
    let registry = DockerRegistry::start();
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let proxy = Tunnel::start(registry.port(), &format!("Proxy-Authorization: Basic {basic}"));
    let image = format!("registry.example/a:1=oci:{IMAGES}:charts/hello:0.1.0");
    work.ok(&format!("export {image} -o bundle --key release.key"));
    let import = "import bundle --trust release.key.pub --to docker://registry.test \
                  --plain-http registry.test --retries 0";
    let url = format!("http://{USER}:{PASSWORD}@127.0.0.1:{}", proxy.port());
    let mut outputs = Vec::new();

    let wrong = format!("{import} --proxy http://{USER}:wrong-horse@127.0.0.1:{}", proxy.port());
    let message = work.refused(&wrong, 1, "proxy");
    assert!(message.contains("407") && message.contains("registry.test"), "{message}");
    outputs.push(work.run(&wrong));
    assert!(registry.manifests().is_empty());
    work.refused(&format!("{import} --proxy socks5://{USER}:{PASSWORD}@p.test"), 2, "usage");

    let output = work.run(&format!("{import} --proxy {url}"));
    assert!(output.status.success(), "{output:?}");
    outputs.push(output);
    assert!(!registry.manifests().is_empty());

    let before = proxy.count();
    let program = env!("CARGO_BIN_EXE_gapferry");
    let from = "lock registry.test/a:1 -o images.lock --plain-http registry.test --retries 0";
    let output = work.tool(&format!("env HTTP_PROXY={url} {program} {from}")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(proxy.count() > before);
    outputs.push(output);

    // Left out, it is looked for without: nobody has that name.
    let before = proxy.count();
    let left_out = format!("env HTTP_PROXY={url} NO_PROXY=.example,registry.test {program} {from}");
    let output = work.tool(&left_out).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(proxy.count(), before);
    let bad = format!("env HTTPS_PROXY=socks5://{USER}:{PASSWORD}@p.test {program} {from}");
    let output = work.tool(&format!("{bad} --output json")).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("\"bad-proxy\""), "{output:?}");
    outputs.push(output);
    for output in &outputs {
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!text.contains(PASSWORD) && !text.contains("wrong-horse"), "{text}");
    }
}

#[test]
fn tls_goes_through_the_tunnel() {
    let work = Work::new();
    let (registry, authority) = DockerRegistry::start_tls_for("registry.test");
    work.write("authority.pem", authority);
    let proxy = Tunnel::start(registry.port(), "");
    let image = format!("registry.example/a:1=oci:{IMAGES}:charts/hello:0.1.0");
    work.ok(&format!("export {image} -o bundle --key release.key"));
    let import = "import bundle --trust release.key.pub --to docker://registry.test --retries 0";
    let through = format!("{import} --proxy {}", proxy.url());
    work.refused(&through, 1, "tls");
    work.ok(&format!("{through} --ca-file authority.pem"));
    assert!(!registry.manifests().is_empty());
    let heads = proxy.heads();
    assert!(heads.iter().all(|head| head.starts_with("CONNECT registry.test:443 ")), "{heads:?}");
}
