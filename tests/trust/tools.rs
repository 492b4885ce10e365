//! openssl and ssh-keygen take what we sign, and we take what they sign.

use super::*;

/// Root keys of the three schemes; each of them and nobody else must sign.
fn schemes() -> Work {
    let work = Work::new();
    work.ok("key new -o ed");
    work.ok("key new -o p384 --scheme ecdsa-p384");
    let made =
        work.tool("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", "ssh"]).status();
    assert!(made.unwrap().success());
    work.ok("trust new -o trust --name acme --root ed.pub --root p384.pub --root ssh.pub \
         --root-threshold 3 --stream prod=1:ssh.pub");
    work
}

fn shell(work: &Work, line: &str) -> bool {
    work.tool("bash").args(["-c", line]).output().unwrap().status.success()
}

/// The lines with which other tools check the signatures of a document.
fn checks(work: &Work) -> [String; 3] {
    let signature = |key: &str| format!("trust/trust-000001.{}.sig", id(work, key));
    let [ed, p384, ssh] = ["ed", "p384", "ssh"].map(signature);
    [
        format!(
            "openssl pkeyutl -verify -pubin -inkey ed.pub -rawin -in trust/trust-000001 -sigfile {ed}"
        ),
        format!("openssl dgst -sha384 -verify p384.pub -signature {p384} trust/trust-000001"),
        format!(
            "sed 's/^/root namespaces=\"gapferry-trust\" /' ssh.pub > allowed && ssh-keygen -Y \
             verify -n gapferry-trust -f allowed -I root -s {ssh} < trust/trust-000001"
        ),
    ]
}

#[test]
fn other_tools_take_what_we_sign() {
    let work = schemes();
    sign(&work, "trust", &["ed", "p384", "ssh"]);
    for line in checks(&work) {
        assert!(shell(&work, &line), "{line}");
    }
    let changed = String::from_utf8(work.read("trust/trust-000001")).unwrap();
    work.write("trust/trust-000001", changed.replace("name: acme", "name: acmf"));
    for line in checks(&work) {
        assert!(!shell(&work, &line), "{line}");
    }
}

#[test]
fn we_take_what_other_tools_sign() {
    let work = schemes();
    let signature = |key: &str| format!("trust/trust-000001.{}.sig", id(&work, key));
    let [ed, p384, ssh] = ["ed", "p384", "ssh"].map(signature);
    let ssh_line = |namespace: &str| {
        format!("ssh-keygen -Y sign -n {namespace} -f ssh < trust/trust-000001 > {ssh}")
    };
    for line in [
        format!("openssl pkeyutl -sign -inkey ed -rawin -in trust/trust-000001 -out {ed}"),
        format!("openssl dgst -sha384 -sign p384 -out {p384} trust/trust-000001"),
        ssh_line("gapferry-seal"),
    ] {
        assert!(shell(&work, &line), "{line}");
    }
    let pinned = digest(&work, "trust/trust-000001");
    let accept = format!("trust accept trust --digest {pinned} --state site");
    let message = work.refused(&accept, 3, "wrong-namespace");
    assert!(message.contains("`gapferry-seal`, not `gapferry-trust`"), "{message}");
    assert!(!work.path("site/trust").exists());
    assert!(shell(&work, &ssh_line("gapferry-trust")));
    work.ok(&accept);
    export(&work, "bundle", "trust", &["ssh"]);
    taken(&work, "bundle", "site", &[1]);
    assert_eq!(work.json("trust show trust")["draft"], serde_json::Value::Null);
}

#[test]
fn whoever_signs_a_document_is_asked_and_has_a_root_key() {
    let work = schemes();
    work.ok("key new -o stranger");
    work.refused("trust sign trust --key ed", 2, "not-confirmed");
    work.refused("trust sign trust --key stranger --yes", 4, "not-a-root-key");
    assert_eq!(std::fs::read_dir(work.path("trust")).unwrap().count(), 1);
    sign(&work, "trust", &["ed", "p384", "ssh"]);
    work.refused("trust sign trust --key ed --yes", 2, "no-draft");
    work.refused("trust new -o trust --name x --root ed.pub --root-threshold 1", 1, "exists");
    work.refused("trust new -o y --name x --root ed.pub --root-threshold 2", 2, "invalid-draft");
    work.refused("trust remove trust --root ed.pub", 2, "invalid-draft");
    work.refused("trust remove trust --key ed.pub", 2, "not-in-document");
    work.refused("trust remove trust --stream lab", 2, "not-in-document");
    let key = String::from_utf8(work.read("ssh.pub")).unwrap();
    work.write("dated.pub", format!("me valid-before=\"20300101Z\" {key}"));
    work.refused("trust add trust --root dated.pub", 2, "dated-key");
    assert!(!work.path("trust/trust-000002").exists());
    let shown = work.ok("trust show trust");
    for part in ["document 1 of acme", "root keys, 3 must sign:", "stream prod, epoch 1"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
