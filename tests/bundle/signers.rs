//! Signing by ssh-agent and by programs, good and bad. Whatever fails, there is no seal.

use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use super::{TESTDATA, Work, tree};

/// A real ssh-agent on a socket of its own, stopped when dropped.
struct Agent(Child, PathBuf);

impl Agent {
    fn start(work: &Work) -> Agent {
        let socket = work.path("agent");
        let mut command = work.command("ssh-agent");
        command.args(["-D", "-a"]).arg(&socket).stdout(Stdio::null());
        let agent = Agent(command.spawn().expect("ssh-agent is installed"), socket);
        let since = Instant::now();
        while !agent.1.exists() {
            assert!(since.elapsed() < Duration::from_secs(10), "ssh-agent does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Exports the smallest image to `out` with these further words; the agent listens at `socket`.
fn export(work: &Work, out: &str, more: &[&str], socket: Option<&PathBuf>) -> Output {
    let image = format!("demo/tiny:1.0=oci-archive:{TESTDATA}/archives/skopeo-oci.tar");
    let mut command = work.command(env!("CARGO_BIN_EXE_gapferry"));
    command.args(["export", &image, "-o", out, "--output", "json"]).args(more);
    match socket {
        Some(socket) => command.env("SSH_AUTH_SOCK", socket),
        None => command.env_remove("SSH_AUTH_SOCK"),
    };
    command.output().unwrap()
}

/// Code and message of an export that fails; there is no seal.
fn fails(work: &Work, more: &[&str], socket: Option<&PathBuf>) -> (String, String) {
    for out in ["b", "b.tar"] {
        let output = export(work, out, more, socket);
        let text = String::from_utf8(output.stderr).unwrap();
        let last = text.lines().last().unwrap_or_default();
        let value: serde_json::Value =
            serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(!work.path(out).is_file(), "{text}");
        assert!(!tree(work.dir.path()).keys().any(|name| name.ends_with("seal")), "{text}");
        if out == "b.tar" {
            assert_eq!(value["exit"], output.status.code().unwrap());
            let text = |key: &str| value[key].as_str().unwrap().to_owned();
            return (text("code"), text("message"));
        }
    }
    unreachable!("the second one returns")
}

fn keygen(work: &Work, kind: &[&str], name: &str) {
    let mut command = work.command("ssh-keygen");
    let made = command.args(["-q", "-N", "", "-C", "", "-f", name, "-t"]).args(kind).status();
    assert!(made.expect("ssh-keygen is installed").success());
}

#[test]
fn ssh_agent_signs() {
    let work = Work::new();
    let agent = Agent::start(&work);
    for (kind, name) in [(&["ed25519"][..], "e"), (&["ecdsa", "-b", "384"], "p")] {
        keygen(&work, kind, name);
        let public = format!("{name}.pub");
        let more = ["--key", &public];
        let (code, message) = fails(&work, &more, Some(&agent.1));
        assert_eq!(code, "agent");
        assert!(message.contains("does not hold the key"), "{message}");
        assert_eq!(fails(&work, &more, None).0, "no-agent");
        assert_eq!(fails(&work, &more, Some(&work.path("nowhere"))).0, "agent");
        let mut add = work.command("ssh-add");
        add.args(["-q", name]).env("SSH_AUTH_SOCK", &agent.1);
        assert!(add.status().unwrap().success());
        let done = export(&work, &format!("{name}-bundle"), &more, Some(&agent.1));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        work.ok(&format!("verify {name}-bundle --trust {public}"));
        std::fs::remove_dir_all(work.path(&format!("{name}-bundle"))).unwrap();
    }
}

#[test]
fn a_program_signs() {
    let work = Work::new();
    work.ok("key new -o p.key --scheme ecdsa-p384");
    keygen(&work, &["ed25519"], "id");
    for (out, command) in [
        ("e", "a.key.pub=sh -c 'cat > msg; openssl pkeyutl -sign -inkey a.key -rawin -in msg'"),
        ("p.tar", "p.key.pub=openssl dgst -sha384 -sign p.key"),
        ("s", "id.pub=ssh-keygen -q -Y sign -n gapferry-seal -f \"id\""),
    ] {
        let done = export(&work, out, &["--signer-command", command], None);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let (key, _) = command.split_once('=').unwrap();
        work.ok(&format!("verify {out} --trust {key}"));
    }
    let both = ["--key", "a.key", "--signer-command", "p.key.pub=openssl dgst -sha384 -sign p.key"];
    assert!(export(&work, "both", &both, None).status.success());
    work.ok("verify both --trust a.key.pub --trust p.key.pub --threshold 2");
}

#[test]
fn a_program_that_errs_makes_no_seal() {
    let work = Work::new();
    work.ok("key new -o p.key --scheme ecdsa-p384");
    work.ok("key new -o other.key --scheme ecdsa-p384");
    let run = |command: &str| {
        let command = format!("p.key.pub={command}");
        let more = ["--signer-timeout", "2", "--signer-command", &command];
        fails(&work, &more, None)
    };
    // Other bytes; another key; another digest; nothing; what it was given.
    for command in [
        "sh -c 'echo other | openssl dgst -sha384 -sign p.key'",
        "openssl dgst -sha384 -sign other.key",
        "openssl dgst -sha256 -sign p.key",
        "true",
        "cat",
    ] {
        assert_eq!(run(command).0, "signer-erred", "{command}");
    }
    for (command, expected) in [
        ("sleep 60", "no answer in time"),
        ("sh -c 'exec sleep 60 >&-'", "it does not end"),
        ("cat /dev/zero", "longer than any signature"),
        (
            "sh -c 'echo no card in slot 1 >&2; exit 7'",
            "exit status: 7; it says: no card in slot 1",
        ),
        ("nowhere-to-be-found", "No such file"),
    ] {
        let (code, message) = run(command);
        assert_eq!(code, "signer-failed", "{command}");
        assert!(message.contains(expected), "{command}: {message}");
    }
    // A good key beside it changes nothing.
    let more = ["--key", "a.key", "--signer-command", "p.key.pub=false"];
    assert_eq!(fails(&work, &more, None).0, "signer-failed");
}
