//! Real clients, and many of them.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::command::Work;
use crate::support::containerd::Containerd;
use crate::support::images::{Eyes, digest};
use crate::{Serving, TRUST, exported};

const BUSYBOX: &str = "sha256:fd81094251a3fa1dc71bd0b8e11e70bca5866f67abaed9ef471774b428cad7db";
const MULTI: &str = "sha256:d73168238868fbbd1a59b8c6579b3b6d4f9b89a968176179b12b0a68201a16ef";

/// Runs a tool, which must succeed, and gives what it prints.
fn done(work: &Work, line: &str) -> String {
    let output = work.tool(line).env("NO_PROXY", "*").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn podman_pulls_by_short_and_by_long_name() {
    let (work, _) = exported("bundle.tar", "--pack always");
    let server = Serving::start(&work, &format!("bundle.tar {TRUST}"));
    let podman = "podman --root store --runroot state --storage-driver vfs";
    for name in ["library/busybox:1.35", "docker.io/library/busybox:1.35"] {
        let name = format!("{}/{name}", server.host());
        done(&work, &format!("{podman} pull -q --tls-verify=false {name}"));
        let form = "{{.Digest}}";
        let shown = done(&work, &format!("{podman} image inspect --format {form} {name}"));
        assert_eq!(shown.trim(), BUSYBOX);
    }
}

#[test]
fn skopeo_copies_while_another_import_reads_the_medium() {
    let (work, images) = exported("bundle", "--pack always");
    let server = Serving::start(&work, &format!("bundle {TRUST}"));
    let import = |to: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gapferry"));
        command.current_dir(work.path("")).env("HOME", work.path("")).stdout(Stdio::null());
        command.args(format!("import bundle {TRUST} --to oci:{to}").split(' ')).spawn().unwrap()
    };
    for round in 0..2 {
        let mut running = import(&format!("arrived-{round}"));
        for (name, wanted) in [("library/busybox:1.35", BUSYBOX), ("library/multi:latest", MULTI)] {
            let to = format!("{round}-{}", wanted.replace(':', "-"));
            done(
                &work,
                &format!(
                    "skopeo --insecure-policy copy -q --all --preserve-digests \
                     --src-tls-verify=false docker://{}/{name} oci:{to}:x",
                    server.host()
                ),
            );
            let index = String::from_utf8(work.read(&format!("{to}/index.json"))).unwrap();
            assert!(index.contains(wanted), "{index}");
        }
        assert!(running.wait().unwrap().success());
    }
    Eyes::on(server.host()).assert_holds("", &images);
    assert_eq!(server.log(), "");
}

#[test]
fn containerd_fetches_from_a_mirror() {
    let (work, _) = exported("bundle", "");
    let server = Serving::start(&work, &format!("bundle {TRUST}"));
    let hosts = work.path("hosts/docker.io");
    std::fs::create_dir_all(&hosts).unwrap();
    let mirror = format!(
        "server = \"http://127.0.0.1:1\"\n[host.\"{}\"]\ncapabilities = [\"pull\", \"resolve\"]\n",
        server.address()
    );
    std::fs::write(hosts.join("hosts.toml"), mirror).unwrap();
    let containerd = Containerd::start(&work);
    let ctr = format!("ctr -a {}", containerd.socket());
    done(
        &work,
        &format!(
            "{ctr} content fetch --all-platforms --hosts-dir hosts docker.io/library/multi:1.0"
        ),
    );
    let listed = done(&work, &format!("{ctr} content ls -q"));
    assert!(listed.lines().any(|line| line == MULTI), "{listed}");
    for line in listed.lines() {
        let output = work.tool(&format!("{ctr} content get {line}")).output().unwrap();
        assert_eq!(digest(&output.stdout), line);
    }
}

#[test]
fn curl_resumes() {
    let (work, _) = exported("bundle", "--pack always");
    let server = Serving::start(&work, &format!("bundle {TRUST}"));
    let manifest = Eyes::on(server.host()).json("library/busybox/manifests/1.35");
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let url = format!("{}/v2/library/busybox/blobs/{layer}", server.address());
    done(&work, &format!("curl -sfS -r 0-99999 -o blob {url}"));
    assert_eq!(work.read("blob").len(), 100_000);
    done(&work, &format!("curl -sfS -C - -o blob {url}"));
    assert_eq!(digest(&work.read("blob")), layer);
}

/// An image with a layer of `size` bytes that does not compress, in an OCI layout; the layer.
fn large(work: &Work, size: usize) -> String {
    let mut state = 1u64;
    let mut noise = Vec::with_capacity(size);
    while noise.len() < size {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.extend_from_slice(&(state >> 16).to_be_bytes()[2..]);
    }
    std::fs::create_dir(work.path("content")).unwrap();
    work.write("content/noise", &noise);
    done(work, "tar -C content -cf layer.tar noise");
    let layer = work.read("layer.tar");
    let put = |kind: &str, bytes: &[u8]| {
        let digest = digest(bytes);
        let path = work.path("large/blobs").join(digest.replace(':', "/"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        serde_json::json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    };
    let layer = put("application/vnd.oci.image.layer.v1.tar", &layer);
    let config = put(
        "application/vnd.oci.image.config.v1+json",
        b"{\"os\":\"linux\",\"architecture\":\"amd64\"}",
    );
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer],
    });
    let mut entry = put(kind, manifest.to_string().as_bytes());
    entry["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": "large:1"});
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [entry]});
    work.write("large/index.json", index.to_string());
    work.write("large/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
    work.ok("export oci:large:large:1 -o bundle --key release.key --pack always");
    layer["digest"].as_str().unwrap().to_owned()
}

/// Where the value of a metric has to come to.
fn metric(server: &Serving, name: &str) -> u64 {
    let mut answer = ureq::get(format!("{}/metrics", server.address())).call().unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).unwrap();
    value.parse().unwrap()
}

#[test]
fn twenty_clients_share_the_work_in_bounded_memory() {
    const SIZE: usize = 64 << 20;
    let work = Work::new();
    let layer = large(&work, SIZE);
    let server = Serving::start(&work, &format!("bundle {TRUST} --cache-size 32MiB"));
    let url = format!("{}/v2/library/large/blobs/{layer}", server.address());
    std::thread::scope(|scope| {
        for number in 0..20 {
            let (work, url, layer) = (&work, &url, &layer);
            scope.spawn(move || {
                let file = format!("out-{number}");
                done(work, &format!("curl -sfS -o {file} {url}"));
                assert_eq!(digest(&work.read(&file)), *layer);
                std::fs::remove_file(work.path(&file)).unwrap();
            });
        }
    });
    let made = metric(&server, "gapferry_blocks_made_total");
    assert!(made < 20 * 64 / 2, "{made} blocks were made for 20 clients of 64 each");
    // The cache, 64 MiB of plain content, a block or two a client, lines and buffers.
    let peak = server.peak_memory();
    assert!(peak < 300 * 1024, "{peak} KiB");
    assert_eq!(server.log(), "");
}

#[test]
fn a_client_that_goes_away_stops_the_work() {
    let work = Work::new();
    let layer = large(&work, 32 << 20);
    let server = Serving::start(&work, &format!("bundle {TRUST}"));
    let url = format!("{}/v2/library/large/blobs/{layer}", server.address());
    let line = format!("curl -sfS --limit-rate 500k -o slow {url}");
    let mut slow = work.tool(&line).spawn().unwrap();
    let start = Instant::now();
    while metric(&server, "gapferry_blobs_in_flight") == 0 {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
    let ended = Command::new("kill").arg(slow.id().to_string()).status().unwrap();
    assert!(ended.success());
    slow.wait().unwrap();
    while metric(&server, "gapferry_blobs_in_flight") > 0 {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(metric(&server, "gapferry_blocks_made_total") < 33, "not all of it was made");
    assert_eq!(server.signalled("-INT"), Some(0));
}
