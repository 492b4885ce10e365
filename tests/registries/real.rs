//! Debian's docker-registry with tokens and client certificates, through the binary; helpers and
//! directories of certificates where other programs keep them.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use super::support::command::Work;
use super::support::images::IMAGES;
use super::support::proxy::{Fault, Proxy, times};
use super::support::{DockerRegistry, PASSWORD, USER};
use super::tokens::TokenServer;

const TRUST: &str = "--trust release.key.pub";
const NAME: &str = "charts/hello:0.1.0";
const UPLOAD: &str = "/blobs/uploads/";

/// A directory with a bundle of one small image, from no registry.
fn with_bundle() -> Work {
    let work = Work::new();
    let name = format!("registry.example/{NAME}=oci:{IMAGES}:{NAME}");
    work.ok(&format!("export {name} -o bundle --key release.key"));
    work
}

/// Imports into the registry and exports from it again, with these options.
fn there_and_back(work: &Work, host: &str, how: &str) -> [Output; 2] {
    let into = work.run(&format!("import bundle {TRUST} --to docker://{host} -v {how}"));
    let from = work.run(&format!("export {host}/{NAME} -o back --key release.key -v {how}"));
    for output in [&into, &from] {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{how}: {errors}");
    }
    std::fs::remove_dir_all(work.path("back")).unwrap();
    [into, from]
}

/// Asserts that import into the registry, and a lock of an image there, are refused so.
fn refused(work: &Work, host: &str, how: &str, code: &str) -> [Output; 2] {
    let into = format!("import bundle {TRUST} --to docker://{host} {how}");
    let from = format!("lock {host}/{NAME} -o images.lock {how}");
    work.refused(&into, 1, code);
    work.refused(&from, 1, code);
    [work.run(&format!("{into} -v")), work.run(&format!("{from} -v"))]
}

fn silent_about(secrets: &[String], outputs: &[[Output; 2]]) {
    for output in outputs.iter().flatten() {
        for text in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(text);
            assert!(secrets.iter().all(|secret| !text.contains(secret.as_str())), "{text}");
        }
    }
}

#[test]
fn tokens_open_a_registry_for_those_who_get_them() {
    let work = with_bundle();
    let tokens = TokenServer::start(300);
    let registry = DockerRegistry::start_with_tokens(&tokens.realm());
    tokens.sign_with(registry.path(""));
    let host = registry.host();
    work.write("right", PASSWORD);
    work.write("wrong", "wrong-horse");
    let mut outputs = vec![
        refused(&work, &host, "", "unauthorised"),
        refused(&work, &host, &format!("--creds {host}={USER}:wrong"), "unauthorised"),
    ];
    assert!(registry.manifests().is_empty());
    assert!(tokens.given().is_empty());
    outputs.push(there_and_back(&work, &host, &format!("--creds {host}={USER}:right")));
    let mut secrets = tokens.given();
    assert!(secrets.len() >= 2);
    secrets.extend([PASSWORD, "wrong-horse"].map(str::to_owned));
    silent_about(&secrets, &outputs);
}

#[test]
fn a_token_that_ends_in_mid_upload_is_replaced() {
    let work = with_bundle();
    let tokens = TokenServer::start(2);
    let registry = DockerRegistry::start_with_tokens(&tokens.realm());
    tokens.sign_with(registry.path(""));
    work.write("right", PASSWORD);
    // The session is begun with one token, and the bytes follow when that has ended.
    let slow = Fault::Answer("429 Too Many Requests\r\nretry-after: 4\r\n");
    let proxy = Proxy::start(registry.port(), vec![times(1, "PATCH", UPLOAD, slow)]);
    let host = proxy.host();
    let how = format!("--creds {host}={USER}:right");
    work.ok(&format!("import bundle {TRUST} --to docker://{host} --jobs 1 {how}"));
    let heads = proxy.heads();
    let patches: Vec<&str> = heads
        .iter()
        .filter(|head| head.starts_with("PATCH"))
        .filter_map(|head| {
            head.lines().find(|line| line.to_lowercase().starts_with("authorization"))
        })
        .collect();
    assert!(patches[1] != patches[0] || patches[2] != patches[0], "no new token was shown");
    assert!(!registry.manifests().is_empty());
}

#[test]
fn a_client_certificate_opens_where_one_is_asked_for() {
    let work = with_bundle();
    let registry = DockerRegistry::start_mutual_tls();
    let host = registry.host();
    let file = |name: &str| registry.path(name).display().to_string();
    let trusted = format!("--ca-file {}", file("authority.pem"));
    let with = |who: &str| {
        format!("--cert {} --cert-key {}", file(&format!("{who}.pem")), file(&format!("{who}.key")))
    };
    refused(&work, &host, &trusted, "tls");
    refused(&work, &host, &format!("{trusted} {}", with("stranger")), "tls");
    refused(&work, &host, &with("client"), "tls");
    let other =
        format!("{trusted} --cert {} --cert-key {}", file("client.pem"), file("stranger.key"));
    refused(&work, &host, &other, "bad-client-certificate");
    assert!(registry.manifests().is_empty());
    there_and_back(&work, &host, &format!("{trusted} {}", with("client")));
    work.refused(&format!("lock a:1 -o x --cert {}", file("client.pem")), 2, "usage");
}

#[test]
fn certificates_are_found_where_podman_and_docker_keep_them() {
    let work = with_bundle();
    let registry = DockerRegistry::start_mutual_tls();
    let host = registry.host();
    let put = |directory: &str| {
        let at = work.path(directory);
        std::fs::create_dir_all(&at).unwrap();
        for (from, to) in [
            ("authority.pem", "ca.crt"),
            ("client.pem", "client.cert"),
            ("client.key", "client.key"),
        ] {
            std::fs::copy(registry.path(from), at.join(to)).unwrap();
        }
    };
    put("certificates");
    refused(&work, &host, "", "tls");
    there_and_back(&work, &host, "--cert-dir certificates");
    refused(&work, &host, "--cert-dir absent", "bad-client-certificate");
    put(&format!(".config/containers/certs.d/{host}"));
    there_and_back(&work, &host, "");
    std::fs::remove_file(work.path(&format!(".config/containers/certs.d/{host}/client.cert")))
        .unwrap();
    refused(&work, &host, "", "bad-client-certificate");
}

/// A credential helper in the place where PATH leads.
fn helper(work: &Work, name: &str, script: &str) -> String {
    let bin = work.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let path = bin.join(format!("docker-credential-{name}"));
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    format!("{}:/usr/bin:/bin", bin.display())
}

#[test]
fn credential_helpers_are_asked() {
    let work = with_bundle();
    let registry = DockerRegistry::start_with_password();
    let host = registry.host();
    let keeps = |password: &str| {
        format!(
            "read server; echo \"$server\" >> asked; [ $1 = get ] || exit 9\n\
             echo '{{\"ServerURL\":\"x\",\"Username\":\"{USER}\",\"Secret\":\"{password}\"}}'"
        )
    };
    let path = helper(&work, "right", &keeps(PASSWORD));
    helper(&work, "wrong", &keeps("wrong-horse"));
    helper(&work, "empty", "echo credentials not found in native keychain; exit 1");
    helper(&work, "broken", "echo the key ring is locked; exit 1");
    let run = |line: &str| {
        let line = format!("env PATH={path} {} {line}", env!("CARGO_BIN_EXE_gapferry"));
        work.tool(&line).output().unwrap()
    };
    let line = format!("import bundle {TRUST} --to docker://{host} --authfile auth.json -v");
    let mut outputs = Vec::new();
    for (config, exit, code) in [
        (r#"{"credHelpers":{"HOST":"wrong"}}"#, 1, "unauthorised"),
        (r#"{"credsStore":"empty"}"#, 1, "unauthorised"),
        (r#"{"credsStore":"broken"}"#, 1, "credential-helper"),
        (r#"{"credHelpers":{"HOST/charts":"is-not-there"}}"#, 1, "credential-helper"),
        (r#"{"credHelpers":{"HOST/charts":"right","HOST":"wrong"}}"#, 0, ""),
        (r#"{"auths":{"HOST":{}},"credsStore":"right"}"#, 0, ""),
    ] {
        work.write("auth.json", config.replace("HOST", &host));
        let output = run(&format!("{line} --output json"));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{config}: {errors}");
        assert!(
            errors.contains(&format!("\"code\":\"{code}\"")) || exit == 0,
            "{config}: {errors}"
        );
        outputs.push([output, run(&line)]);
    }
    let secrets = [PASSWORD, "wrong-horse"].map(str::to_owned);
    silent_about(&secrets, &outputs);
    let asked = String::from_utf8(work.read("asked")).unwrap();
    assert!(asked.lines().any(|line| line == format!("{host}/charts")), "{asked}");
    assert!(asked.lines().any(|line| line == host), "{asked}");
}
