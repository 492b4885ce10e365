//! Registries that want a password, or speak TLS.

use std::process::Output;

use base64::Engine as _;

use super::TRUST;
use super::support::command::Work;
use super::support::images::IMAGES;
use super::support::{DockerRegistry, PASSWORD, USER};

/// A bundle of one small image, from no registry.
fn small_bundle(work: &Work) {
    let name = "registry.example/charts/hello:0.1.0";
    work.ok(&format!("export {name}=oci:{IMAGES}:charts/hello:0.1.0 -o bundle --key release.key"));
}

/// The file in which podman and docker keep a password.
fn auth_file(host: &str, password: &str) -> String {
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{password}"));
    format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#)
}

fn silent_about_passwords(outputs: &[Output]) {
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    for secret in [
        PASSWORD.to_owned(),
        "wrong-horse".to_owned(),
        encoded(&format!("{USER}:{PASSWORD}")),
        encoded(&format!("{USER}:wrong-horse")),
    ] {
        for output in outputs {
            for text in [&output.stdout, &output.stderr] {
                assert!(!String::from_utf8_lossy(text).contains(&secret), "{output:?}");
            }
        }
    }
}

#[test]
fn a_registry_with_a_password_opens_with_it_only() {
    let work = Work::new();
    small_bundle(&work);
    let registry = DockerRegistry::start_with_password();
    let host = registry.host();
    work.write("right", format!("{PASSWORD}\n"));
    work.write("wrong", "wrong-horse\n");
    work.write("right.json", auth_file(&host, PASSWORD));
    work.write("wrong.json", auth_file(&host, "wrong-horse"));
    work.write("other.json", auth_file("quay.io", PASSWORD));
    let line = format!("import bundle {TRUST} --to docker://{host}");
    let mut outputs = Vec::new();
    for how in [
        String::new(),
        format!("--creds {host}={USER}:wrong"),
        format!("--creds {host}=nobody:right"),
        "--authfile wrong.json".to_owned(),
        "--authfile other.json".to_owned(),
    ] {
        let message = work.refused(&format!("{line} {how}"), 1, "unauthorised");
        assert!(message.contains(&host), "{message}");
        outputs.push(work.run(&format!("{line} -v {how}")));
        assert_eq!(registry.manifests().len(), 0);
    }
    let image = format!("{host}/charts/hello:0.1.0");
    for how in [format!("--creds {host}={USER}:right"), "--authfile right.json".to_owned()] {
        outputs.push(work.run(&format!("{line} -v {how}")));
        outputs.push(work.run(&format!("lock {image} -o images.lock -v {how}")));
    }
    assert!(outputs[outputs.len() - 4..].iter().all(|it| it.status.success()), "{outputs:?}");
    silent_about_passwords(&outputs);
    assert!(!String::from_utf8(work.read("images.lock")).unwrap().contains(PASSWORD));
    work.refused(&format!("lock {image} -o other.lock"), 1, "unauthorised");
}

#[test]
fn credentials_are_found_where_podman_and_docker_keep_them() {
    let work = Work::new();
    small_bundle(&work);
    let registry = DockerRegistry::start_with_password();
    let line = format!("import bundle {TRUST} --to docker://{}", registry.host());
    for place in [".docker/config.json", ".config/containers/auth.json"] {
        work.refused(&line, 1, "unauthorised");
        let path = work.path(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, auth_file(&registry.host(), PASSWORD)).unwrap();
        work.ok(&line);
        std::fs::remove_file(&path).unwrap();
    }
    work.write("auth.json", "{");
    work.refused(&format!("{line} --authfile auth.json"), 1, "bad-credentials");
    work.refused(&format!("{line} --authfile absent.json"), 1, "file");
}

/// The likeliest slip: the password where its file should be.
#[test]
fn a_password_on_the_command_line_is_not_repeated() {
    let work = Work::new();
    for (creds, exit, code) in [
        (PASSWORD.to_owned(), 2, "usage"),
        (format!("{USER}:{PASSWORD}"), 2, "usage"),
        (format!("quay.io={PASSWORD}"), 2, "usage"),
        (format!("quay.io={USER}:{PASSWORD}"), 1, "password-file"),
    ] {
        let line = format!("lock quay.io/a/b:1 -o images.lock --creds {creds}");
        let message = work.refused(&line, exit, code);
        assert!(message.contains("--creds"), "{message}");
        silent_about_passwords(&[work.run(&line), work.run(&format!("{line} --output json"))]);
    }
}

#[test]
fn tls_is_trusted_with_the_right_authority_only() {
    let work = Work::new();
    small_bundle(&work);
    let ((registry, authority), (_, other)) =
        (DockerRegistry::start_tls(), DockerRegistry::start_tls());
    work.write("authority.pem", authority);
    work.write("other.pem", other);
    work.write("none.pem", "hello");
    let line = format!("import bundle {TRUST} --to docker://{}", registry.host());
    let message = work.refused(&line, 1, "tls");
    assert!(message.contains(&registry.host()), "{message}");
    work.refused(&format!("{line} --ca-file other.pem"), 1, "tls");
    work.refused(&format!("{line} --ca-file none.pem"), 1, "bad-authority");
    assert_eq!(registry.manifests().len(), 0);
    work.ok(&format!("{line} --ca-file other.pem --ca-file authority.pem"));
    assert!(!registry.manifests().is_empty());
    let image = format!("{}/charts/hello:0.1.0", registry.host());
    work.ok(&format!("lock {image} -o images.lock --ca-file authority.pem"));
    work.refused(&format!("lock {image} -o other.lock"), 1, "tls");
}
