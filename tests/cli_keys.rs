//! The command line as it is used: keys, help, manual pages, completions, errors.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Every subcommand, as it is typed.
const SUBCOMMANDS: [&str; 40] = [
    "key",
    "key new",
    "key show",
    "key check",
    "trust",
    "trust new",
    "trust add",
    "trust remove",
    "trust rotate",
    "trust show",
    "trust sign",
    "trust accept",
    "lock",
    "export",
    "inspect",
    "verify",
    "import",
    "memory",
    "memory show",
    "memory check",
    "sign",
    "repack",
    "unpack",
    "drill",
    "receipt",
    "receipt show",
    "receipt check",
    "log",
    "log show",
    "log verify",
    "log prove",
    "log check-proof",
    "log export",
    "log checkpoint",
    "diff",
    "policy",
    "policy check",
    "demo",
    "completions",
    "man",
];

fn gapferry(dir: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gapferry"))
        .args(line.split(' ').filter(|word| !word.is_empty()))
        .current_dir(dir)
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The exit code and the JSON object on standard error; nothing may be on standard output.
fn failure(output: &Output) -> (i32, Value) {
    assert_eq!(output.stdout, b"");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (output.status.code().unwrap(), value)
}

/// The failure of `line`: its exit code and code, the same in both forms.
fn refused(dir: &Path, line: &str) -> (i32, String) {
    let (exit, value) = failure(&gapferry(dir, &format!("{line} --output json")));
    assert_eq!(value["exit"], exit);
    let plain = gapferry(dir, line);
    assert_eq!(plain.status.code(), Some(exit));
    assert_eq!(plain.stdout, b"");
    assert!(String::from_utf8_lossy(&plain.stderr).starts_with("error: "));
    (exit, value["code"].as_str().unwrap().to_owned())
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_key_pair_is_for_its_owner_and_openssl_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // However careless the umask is.
    let line = format!("umask 0; {} key new -o release.key", env!("CARGO_BIN_EXE_gapferry"));
    let made = out(&Command::new("sh").args(["-c", &line]).current_dir(dir).output().unwrap());
    assert_eq!(mode(&dir.join("release.key")), 0o600);
    assert_eq!(mode(&dir.join("release.key.pub")), 0o644);
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 2);
    let openssl = Command::new("openssl")
        .args(["pkey", "-in", "release.key", "-pubout"])
        .current_dir(dir)
        .output()
        .unwrap();
    assert_eq!(openssl.stdout, std::fs::read(dir.join("release.key.pub")).unwrap());

    let shown: Value =
        serde_json::from_str(&out(&gapferry(dir, "key show release.key.pub --output json")))
            .unwrap();
    let id = shown["keyId"].as_str().unwrap();
    assert!(made.contains(id));
    assert_eq!(shown["scheme"], "ed25519");
    assert_eq!(shown["publicKeyPem"].as_str().unwrap().as_bytes(), openssl.stdout);
    // The private key shows the same, and itself not.
    let private = out(&gapferry(dir, "key show release.key"));
    assert_eq!(private, out(&gapferry(dir, "key show release.key.pub")));
    assert!(private.contains(&format!(
        "openssl pkeyutl -verify -pubin -inkey release.key.pub -rawin -in seal -sigfile seal.{id}.sig"
    )));
}

#[test]
fn the_openssl_line_checks_a_signature() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    out(&gapferry(dir, "key new -o release.key"));
    let shown = out(&gapferry(dir, "key show release.key.pub"));
    let line = shown.lines().find_map(|line| line.strip_prefix("check   ")).unwrap();
    let signature = line.rsplit(' ').next().unwrap();
    std::fs::write(dir.join("seal"), "a seal").unwrap();
    let sign = format!("openssl pkeyutl -sign -inkey release.key -rawin -in seal -out {signature}");
    for (line, content, good) in
        [(sign.as_str(), "a seal", true), (line, "a seal", true), (line, "another", false)]
    {
        std::fs::write(dir.join("seal"), content).unwrap();
        let done = Command::new("sh").args(["-c", line]).current_dir(dir).output().unwrap();
        assert_eq!(done.status.success(), good, "{line}");
    }
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_only() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("right"), "sesame\n").unwrap();
    std::fs::write(dir.join("wrong"), "other\n").unwrap();
    std::fs::write(dir.join("empty"), "\n").unwrap();
    let made = out(&gapferry(dir, "key new -o a.key --passphrase-file right --output json"));
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["privateKey"], "a.key");
    assert_eq!(made["publicKey"], "a.key.pub");
    let text = std::fs::read_to_string(dir.join("a.key")).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    let shown = out(&gapferry(dir, "key show a.key --passphrase-file right"));
    assert!(shown.contains(made["keyId"].as_str().unwrap()));
    let openssl = Command::new("openssl")
        .args(["pkey", "-in", "a.key", "-passin", "file:right", "-pubout"])
        .current_dir(dir)
        .output()
        .unwrap();
    assert_eq!(openssl.stdout, std::fs::read(dir.join("a.key.pub")).unwrap());
    for (line, expected) in [
        ("key show a.key", (2, "needs-passphrase")),
        ("key show a.key --passphrase-file wrong", (1, "wrong-passphrase")),
        ("key show a.key --passphrase-file empty", (2, "empty-secret")),
        ("key show a.key --passphrase-file absent", (1, "file")),
        ("key new -o b.key --passphrase-file empty", (2, "empty-secret")),
    ] {
        assert_eq!(refused(dir, line), (expected.0, expected.1.to_owned()), "{line}");
    }
    assert!(!dir.join("b.key").exists() && !dir.join("b.key.pub").exists());
}

#[test]
fn a_p384_key_pair_is_what_openssl_reads() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    out(&gapferry(dir, "key new -o p.key --scheme ecdsa-p384"));
    let shown = out(&gapferry(dir, "key show p.key"));
    assert_eq!(shown, out(&gapferry(dir, "key show p.key.pub")));
    assert!(shown.starts_with("scheme  ecdsa-p384\n"), "{shown}");
    let line = shown.lines().find_map(|line| line.strip_prefix("check   ")).unwrap();
    let signature = line.split(' ').rev().nth(1).unwrap();
    let sign = format!("openssl dgst -sha384 -sign p.key -out {signature} seal");
    for (line, content, good) in
        [(sign.as_str(), "a seal", true), (line, "a seal", true), (line, "another", false)]
    {
        std::fs::write(dir.join("seal"), content).unwrap();
        let done = Command::new("sh").args(["-c", line]).current_dir(dir).output().unwrap();
        assert_eq!(done.status.success(), good, "{line}");
    }
    assert_eq!(refused(dir, "key new -o s --scheme openssh"), (2, "not-made-here".to_owned()));
}

#[test]
fn the_ssh_keygen_line_checks_a_signature() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let keygen = "ssh-keygen -q -t ed25519 -N '' -C me@example -f id";
    assert!(Command::new("sh").args(["-c", keygen]).current_dir(dir).status().unwrap().success());
    let shown = out(&gapferry(dir, "key show id.pub"));
    assert_eq!(shown, out(&gapferry(dir, "key show id")));
    let line = shown.lines().find_map(|line| line.strip_prefix("check   ")).unwrap();
    let signature = line.split(' ').rev().nth(2).unwrap();
    let sign = format!("ssh-keygen -Y sign -n gapferry-seal -f id < seal > {signature}");
    for (line, content, good) in
        [(sign.as_str(), "a seal", true), (line, "a seal", true), (line, "another", false)]
    {
        std::fs::write(dir.join("seal"), content).unwrap();
        let done = Command::new("sh").args(["-c", line]).current_dir(dir).output().unwrap();
        assert_eq!(done.status.success(), good, "{line}");
    }
    let json: Value =
        serde_json::from_str(&out(&gapferry(dir, "key show id.pub --output json"))).unwrap();
    let public = std::fs::read_to_string(dir.join("id.pub")).unwrap();
    assert!(public.starts_with(json["opensshPublicKey"].as_str().unwrap()));
    assert_eq!((&json["scheme"], &json["publicKeyPem"]), (&"openssh".into(), &Value::Null));
}

#[test]
fn a_key_pair_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for scheme in ["ed25519", "ecdsa-p384"] {
        out(&gapferry(dir, &format!("key new -o {scheme} --scheme {scheme}")));
        let checked = out(&gapferry(dir, &format!("key check {scheme} --output json")));
        let checked: Value = serde_json::from_str(&checked).unwrap();
        assert_eq!((&checked["fits"], &checked["scheme"]), (&true.into(), &scheme.into()));
        assert!(out(&gapferry(dir, &format!("key check {scheme}"))).contains("the keys fit"));
    }
    let other = (3, "other-key".to_owned());
    assert_eq!(refused(dir, "key check ed25519 ecdsa-p384.pub"), other);
    let keygen = "ssh-keygen -q -t ed25519 -N '' -f id";
    assert!(Command::new("sh").args(["-c", keygen]).current_dir(dir).status().unwrap().success());
    assert!(out(&gapferry(dir, "key check id")).contains("openssh"));
    assert_eq!(refused(dir, "key check id ed25519.pub"), other);
    assert_eq!(refused(dir, "key check absent"), (1, "file".to_owned()));
    assert_eq!(refused(dir, "key check id.pub id.pub"), (3, "not-a-key".to_owned()));
    let readable = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(dir.join("id"), readable).unwrap();
    assert_eq!(refused(dir, "key check id"), (4, "open-key".to_owned()));
}

#[test]
fn nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let exists = (1, "exists".to_owned());
    std::fs::write(dir.join("a.key"), "mine").unwrap();
    assert_eq!(refused(dir, "key new -o a.key"), exists);
    assert!(!dir.join("a.key.pub").exists());
    std::fs::write(dir.join("b.key.pub"), "mine").unwrap();
    assert_eq!(refused(dir, "key new -o b.key"), exists);
    assert!(!dir.join("b.key").exists());
    std::os::unix::fs::symlink("nowhere", dir.join("c.key")).unwrap();
    assert_eq!(refused(dir, "key new -o c.key"), exists);
    assert_eq!(std::fs::read(dir.join("a.key")).unwrap(), b"mine");
    assert_eq!(std::fs::read(dir.join("b.key.pub")).unwrap(), b"mine");
    assert_eq!(refused(dir, "key new -o absent/d.key"), (1, "file".to_owned()));
}

#[test]
fn what_is_no_key_is_damaged_input() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("text"), "hello").unwrap();
    std::fs::write(dir.join("bytes"), b"\xff\x00").unwrap();
    std::fs::write(dir.join("large"), vec![b'x'; 100_000]).unwrap();
    assert_eq!(refused(dir, "key show text"), (3, "not-a-key".to_owned()));
    assert_eq!(refused(dir, "key show bytes"), (3, "not-a-key".to_owned()));
    assert_eq!(refused(dir, "key show large"), (3, "too-large".to_owned()));
    assert_eq!(refused(dir, "key show absent"), (1, "file".to_owned()));
    let plain = gapferry(dir, "key show text");
    let text = String::from_utf8(plain.stderr).unwrap();
    assert!(text.starts_with("error: text: not a public key"), "{text}");
    assert!(text.contains("\nhint: "), "{text}");
}

#[test]
fn names_of_files_do_nothing_to_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let output = gapferry(dir.path(), "key show \u{1b}[2Jx\u{202e}y");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("\\u{1b}[2Jx\\u{202e}y"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
}

#[test]
fn wrong_usage_exits_with_two() {
    let dir = tempfile::tempdir().unwrap();
    for line in [
        "",
        "nonsense",
        "key",
        "key new",
        "key new -o a --scheme rsa",
        "key show",
        "key check",
        "trust",
        "trust new",
        "trust sign trust",
        "trust show trust --state x",
        "trust accept x --digest sha256:0",
        "sign",
        "sign bundle",
        "sign bundle --key a.key --signer-command a.pub",
        "sign bundle --key a.key --signer-timeout 0",
        "completions tcsh",
        "man -q -v",
        "man --output yaml",
    ] {
        assert_eq!(gapferry(dir.path(), line).status.code(), Some(2), "{line}");
        let (exit, value) = match line.contains("--output") {
            true => continue,
            false => failure(&gapferry(dir.path(), &format!("{line} --output json"))),
        };
        assert_eq!((exit, &value["code"]), (2, &Value::from("usage")), "{line}");
        assert!(!value["message"].as_str().unwrap().is_empty());
    }
    let (_, missing) = failure(&gapferry(dir.path(), "key new --output=json"));
    let expected = "the following required arguments were not provided: --out <FILE>";
    assert_eq!(missing["message"], expected);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn every_subcommand_shows_examples() {
    let dir = tempfile::tempdir().unwrap();
    for subcommand in SUBCOMMANDS {
        for help in ["-h", "--help"] {
            let text = out(&gapferry(dir.path(), &format!("{subcommand} {help}")));
            assert!(text.contains("\nEXAMPLES:\n"), "{subcommand}");
            assert!(text.contains(&format!("gapferry {subcommand}")), "{subcommand}");
            assert!(text.contains("--output <FORM>"), "{subcommand}");
        }
    }
    let text = out(&gapferry(dir.path(), "--help"));
    assert!(text.contains("EXAMPLES:") && text.contains("EXIT CODES:"));
    // A subcommand that is new must be put into the list above.
    let top = SUBCOMMANDS.iter().filter(|subcommand| !subcommand.contains(' ')).count();
    let (_, rest) = text.split_once("Commands:\n").unwrap();
    let (commands, _) = rest.split_once("\n\n").unwrap();
    assert_eq!(commands.lines().count(), top, "{commands}");
}

#[test]
fn every_subcommand_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    out(&gapferry(dir, "man -o share/man1"));
    let pages = dir.join("share/man1");
    for subcommand in [""].iter().chain(&SUBCOMMANDS) {
        let name = format!("gapferry {subcommand}").trim().replace(' ', "-");
        let page = std::fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains("EXAMPLES"), "{name}");
    }
    assert_eq!(std::fs::read_dir(&pages).unwrap().count(), SUBCOMMANDS.len() + 1);
    let printed = out(&gapferry(dir, "man"));
    assert_eq!(printed, std::fs::read_to_string(pages.join("gapferry.1")).unwrap());
}

#[test]
fn shells_can_complete_every_subcommand() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = out(&gapferry(dir.path(), &format!("completions {shell}")));
        for subcommand in SUBCOMMANDS {
            let word = subcommand.rsplit(' ').next().unwrap();
            assert!(script.contains(word), "{shell}: {subcommand}");
        }
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let line = format!("{} completions bash | head -c 1", env!("CARGO_BIN_EXE_gapferry"));
    let line = format!("set -o pipefail; {line}");
    let done = Command::new("bash").args(["-c", &line]).current_dir(dir.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.stderr, b"");
}
