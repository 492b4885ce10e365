//! Cases about keys and signatures that no stored vector can hold.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::build;
use crate::seen::Seen;
use crate::stage::{Stage, TINY, TRUST};

fn signed() -> Stage {
    Stage::with(&build::bundle(build::content()))
}

/// The DER of a public Ed25519 key before its 32 bytes (RFC 8410).
const ED25519: [u8; 12] = *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

fn pem(point: &[u8; 32]) -> String {
    let der = [&ED25519[..], point].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(der))
}

pub(crate) fn one_key_twice() -> Vec<Seen> {
    let stage = signed();
    let text = String::from_utf8(stage.work.read("trusted.key.pub")).unwrap();
    let der = BASE64.decode(text.lines().nth(1).unwrap()).unwrap();
    let blob = [&b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..], &der[ED25519.len()..]].concat();
    stage.work.write("twin.pub", format!("ssh-ed25519 {}\n", BASE64.encode(blob)));
    let twice = format!("b {TRUST} {TRUST} --threshold 2");
    let two_files = format!("b {TRUST} --trust twin.pub --threshold 2");
    let beside_another =
        format!("b {TRUST} --trust twin.pub --trust release.key.pub --threshold 2");
    vec![
        stage.import(&twice).refused(2, "invalid-threshold"),
        stage.import(&two_files).refused(2, "invalid-threshold"),
        stage.import(&beside_another).refused(4, "threshold"),
    ]
}

pub(crate) fn one_key_under_two_ids() -> Vec<Seen> {
    let stage = signed();
    let shown = stage.work.json("key show release.key.pub");
    let own = stage.work.read(&format!("b/{}", build::signature_name(&build::key("release"))));
    stage.work.write(&format!("b/seal.{}.sig", shown["keyId"].as_str().unwrap()), own);
    let both = format!("b {TRUST} --trust release.key.pub --threshold 2");
    vec![stage.import(&both).refused(3, "bad-signature")]
}

/// Points of order 1, 2 and 4.
pub(crate) fn weak_keys() -> Vec<Seen> {
    let stage = signed();
    let mut points = [[0; 32], [0; 32], [0xff; 32]];
    points[0][0] = 1;
    (points[2][0], points[2][31]) = (0xec, 0x7f);
    let refused = |point: &[u8; 32]| {
        stage.work.write("weak.pub", pem(point));
        stage.import("b --trust weak.pub").refused(3, "weak-key")
    };
    points.iter().map(refused).collect()
}

pub(crate) fn other_namespace() -> Vec<Seen> {
    let stage = signed();
    let shell = |line: &str| {
        let mut bash = stage.work.tool("bash -c");
        assert!(bash.arg(line).status().unwrap().success(), "{line}");
    };
    shell("ssh-keygen -q -t ed25519 -N '' -C '' -f id");
    let shown = stage.work.json("key show id.pub");
    let signature = format!("b/seal.{}.sig", shown["keyId"].as_str().unwrap());
    shell(&format!("ssh-keygen -q -Y sign -n git -f id < b/seal > {signature}"));
    let other = stage.import("b --trust id.pub").refused(3, "wrong-namespace");
    shell(&format!("ssh-keygen -q -Y sign -n gapferry-seal -f id < b/seal > {signature}"));
    stage.import("b --trust id.pub").passes();
    vec![other.names("git")]
}

pub(crate) fn signer_of_other_bytes() -> Vec<Seen> {
    let stage = Stage::new();
    stage.work.ok("key new -o p.key --scheme ecdsa-p384");
    stage.work.ok("key new -o other.key --scheme ecdsa-p384");
    let mut all = Vec::new();
    for signer in [
        "sh -c 'echo other | openssl dgst -sha384 -sign p.key'",
        "openssl dgst -sha384 -sign other.key",
        "cat",
    ] {
        for out in ["out", "out.tar"] {
            let line = format!("export {TINY} -o {out} --signer-command");
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            words.push(format!("p.key.pub={signer}"));
            all.push(stage.watch_command(stage.gapferry(&words)).refused(1, "signer-erred"));
            // Another export does not go on with it.
            let _ = std::fs::remove_dir_all(stage.path("out"));
        }
        for name in ["out.tar.part", "out.tar.journal"] {
            let _ = std::fs::remove_file(stage.path(name));
        }
    }
    all
}
