//! Who may ask, and over what.

use std::process::Command;

use crate::support::command::Work;
use crate::{Serving, TRUST, exported};

/// The status that curl gets.
fn status(work: &Work, line: &str) -> String {
    let form = "%{http_code}";
    let output = work.tool(&format!("curl -s -o /dev/null -w {form} {line}")).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_own_certificate_is_written_and_shown() {
    let (work, _) = exported("bundle", "");
    work.write("password", "horse\n");
    let options =
        "--tls-self-signed serve.crt --tls-name registry.site --user ann --password-file password";
    let server = Serving::start(&work, &format!("bundle {TRUST} {options}"));
    assert!(server.address().starts_with("https://127.0.0.1:"));
    let url = format!("{}/v2/library/busybox/manifests/1.35", server.address());
    let trusted = "--cacert serve.crt --noproxy *";
    assert_eq!(status(&work, &format!("{trusted} -u ann:horse {url}")), "200");
    assert_eq!(status(&work, &format!("{trusted} -u ann:cow {url}")), "401");
    assert_eq!(status(&work, &format!("{trusted} {url}")), "401");
    assert_eq!(status(&work, &format!("--noproxy * -u ann:horse {url}")), "000", "not trusted");
    assert_eq!(status(&work, &format!("{trusted} {}/metrics", server.address())), "401");
    let names =
        work.tool("openssl x509 -in serve.crt -noout -ext subjectAltName").output().unwrap();
    let names = String::from_utf8(names.stdout).unwrap();
    for name in ["DNS:registry.site", "IP Address:127.0.0.1", "DNS:localhost"] {
        assert!(names.contains(name), "{names}");
    }
    std::fs::create_dir(work.path("certs")).unwrap();
    std::fs::copy(work.path("serve.crt"), work.path("certs/ca.crt")).unwrap();
    let copied = work
        .tool(&format!(
            "skopeo --insecure-policy copy -q --src-cert-dir certs --src-creds ann:horse \
             docker://{}/library/busybox:1.35 oci:copied:x",
            server.host()
        ))
        .status();
    assert!(copied.unwrap().success());
}

#[test]
fn a_given_certificate_and_an_htpasswd_file() {
    let (work, _) = exported("bundle", "");
    let made = Command::new("openssl")
        .current_dir(work.path(""))
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(' '))
        .args("-subj /CN=x -addext subjectAltName=IP:127.0.0.1 -keyout k.pem -out c.pem".split(' '))
        .output()
        .unwrap();
    assert!(made.status.success());
    let script = "print crypt('correct-horse', '$2y$05$abcdefghijklmnopqrstuu')";
    let hash = Command::new("perl").args(["-e", script]).output().unwrap();
    let hash = String::from_utf8(hash.stdout).unwrap();
    work.write("users", format!("# who\nrobot:{hash}\n"));
    let options = "--tls-cert c.pem --tls-key k.pem --htpasswd users";
    let server = Serving::start(&work, &format!("bundle {TRUST} {options}"));
    let url = format!("{}/v2/", server.address());
    let trusted = "--cacert c.pem --noproxy *";
    assert_eq!(status(&work, &format!("{trusted} -u robot:correct-horse {url}")), "200");
    assert_eq!(status(&work, &format!("{trusted} -u robot:wrong {url}")), "401");
    assert_eq!(status(&work, &format!("{trusted} -u nobody:correct-horse {url}")), "401");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (work, _) = exported("bundle", "");
    work.write("password", "horse\n");
    work.write("users", "ann:$apr1$x$y\n");
    let line = format!("serve bundle {TRUST} --listen");
    let user = "--user ann --password-file password";
    work.refused(&format!("{line} 0.0.0.0:0 {user}"), 2, "auth-without-tls");
    work.refused(&format!("{line} 127.0.0.1:0 --htpasswd users"), 2, "bad-htpasswd");
    let tls = "--tls-cert password --tls-key password";
    work.refused(&format!("{line} 127.0.0.1:0 {tls}"), 2, "bad-certificate");
    work.refused(&format!("{line} 127.0.0.1:0 --user ann"), 2, "usage");
    work.refused(&format!("{line} 127.0.0.1:0 --cache nowhere"), 1, "file");
    work.refused(&format!("{line} 192.0.2.1:0"), 1, "serve");
    work.refused("serve oci:bundle bundle", 2, "usage");
    let server = Serving::start(&work, &format!("bundle {TRUST} {user}"));
    let url = format!("{}/v2/", server.address());
    assert_eq!(status(&work, &format!("--noproxy * -u ann:horse {url}")), "200");
    assert_eq!(status(&work, &format!("--noproxy * -u ann:horse -X DELETE {url}")), "405");
    assert_eq!(status(&work, &format!("--noproxy * -X DELETE {url}")), "401");
}
