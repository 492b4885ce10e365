//! Keys and signatures of OpenSSH against `ssh-keygen` and `ssh-agent`.

mod authenticator;

use std::process::{Child, Stdio};
use std::time::Duration;

use super::*;

/// What ssh-keygen makes here.
const KINDS: [&str; 3] = ["ed25519", "ecdsa -b 384", "ecdsa -b 256"];

/// Runs ssh-keygen in `dir`, with `input` on standard input; true when it succeeds.
fn keygen(dir: &Path, line: &str, input: &[u8]) -> bool {
    use std::io::Write as _;
    let words = line.split(' ').map(|word| if word == "''" { "" } else { word });
    let mut command = Command::new("ssh-keygen");
    command.args(words).current_dir(dir).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait().unwrap().success()
}

/// A key pair `id`, `id.pub` in a directory of its own.
fn made(kind: &str, passphrase: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let line = format!("-q -t {kind} -N {passphrase} -C a@b -f id");
    assert!(keygen(dir.path(), &line, b""), "{line}");
    dir
}

fn public(dir: &Path) -> PublicKey {
    let [record] = &KeyRecord::parse(&read(dir, "id.pub")).unwrap()[..] else { panic!("one key") };
    record.key.clone()
}

/// Whether ssh-keygen takes the file `sig` for a signature over `message`.
fn keygen_verifies(dir: &Path, message: &[u8]) -> bool {
    let allowed = format!("me namespaces=\"{NAMESPACE}\" {}", read(dir, "id.pub"));
    std::fs::write(dir.join("allowed"), allowed).unwrap();
    let line = format!("-Y verify -f allowed -I me -n {NAMESPACE} -s sig");
    keygen(dir, &line, message)
}

/// A signature over a drill record is none over a seal of the same bytes, nor the other way round.
#[test]
fn a_signature_is_for_one_purpose() {
    let dir = made("ed25519", "''");
    let key = SecretKey::from_pem(&read(dir.path(), "id"), None).unwrap();
    let key_id = key.public().key_id();
    for (made_for, taken_for) in [(Purpose::Seal, Purpose::Drill), (Purpose::Drill, Purpose::Seal)]
    {
        let signature = Signature::by_for(&key, made_for, MESSAGE).unwrap();
        key.public().verify_for(made_for, MESSAGE, &signature.bytes).unwrap();
        let (expected, found) = (taken_for.namespace(), made_for.namespace().to_owned());
        assert_eq!(
            key.public().verify_for(taken_for, MESSAGE, &signature.bytes),
            Err(TrustError::Namespace { key_id, expected, found })
        );
    }
}

#[test]
fn ssh_keygen_takes_our_signatures() {
    for kind in KINDS {
        let dir = made(kind, "''");
        let dir = dir.path();
        let key = SecretKey::from_pem(&read(dir, "id"), None).unwrap();
        assert_eq!(key.public().scheme(), Scheme::OpenSsh);
        assert_eq!(*key.public(), public(dir), "{kind}");
        // Some numbers of ECDSA are short: several messages, several signatures.
        for count in 0..20 {
            let message = vec![b'x'; count];
            let signature = key.sign(&message).unwrap();
            assert_eq!(key.sign(&message).unwrap(), signature);
            std::fs::write(dir.join("sig"), &signature).unwrap();
            assert!(keygen_verifies(dir, &message), "{kind}");
            key.public().verify(&message, &signature).unwrap();
            assert!(!keygen_verifies(dir, b"another"), "{kind}");
        }
    }
}

#[test]
fn we_take_the_signatures_of_ssh_keygen() {
    for kind in KINDS {
        for hash in ["sha512", "sha256"] {
            let dir = made(kind, "''");
            let dir = dir.path();
            std::fs::write(dir.join("msg"), MESSAGE).unwrap();
            let line = format!("-q -Y sign -O hashalg={hash} -n {NAMESPACE} -f id msg");
            assert!(keygen(dir, &line, b""));
            let signature = std::fs::read(dir.join("msg.sig")).unwrap();
            let key = public(dir);
            key.verify(MESSAGE, &signature).unwrap();
            let bad = TrustError::BadSignature { key_id: key.key_id() };
            assert_eq!(key.verify(b"another", &signature), Err(bad), "{kind} {hash}");
        }
    }
}

#[test]
fn a_line_is_written_as_it_is_read() {
    for kind in KINDS {
        let dir = made(kind, "''");
        let line = read(dir.path(), "id.pub");
        let key = public(dir.path());
        assert_eq!(key.to_text(), format!("{}\n", line.trim_end().strip_suffix(" a@b").unwrap()));
        let blob = BASE64.decode(line.split(' ').nth(1).unwrap()).unwrap();
        let id = crate::oci::Digest::of(&[b"openssh\0", &blob[..]].concat()).hex();
        assert_eq!(key.key_id().to_string(), id);
    }
}

#[test]
fn an_encrypted_key_needs_its_own_passphrase() {
    for kind in KINDS {
        let dir = made(kind, "sesame");
        let text = read(dir.path(), "id");
        let open = |passphrase| SecretKey::from_pem(&text, passphrase);
        assert_eq!(*open(Some(b"sesame")).unwrap().public(), public(dir.path()));
        assert_eq!(open(None).unwrap_err(), TrustError::NeedsPassphrase);
        assert_eq!(open(Some(b"other")).unwrap_err(), TrustError::WrongPassphrase);
        assert_eq!(open(Some(b"")).unwrap_err(), TrustError::WrongPassphrase);
    }
    let dir = made("ed25519 -Z aes128-cbc", "sesame");
    let other = SecretKey::from_pem(&read(dir.path(), "id"), Some(b"sesame")).unwrap_err();
    assert_eq!(other, TrustError::UnsupportedAlgorithm("aes128-cbc".to_owned()));
}

#[test]
fn other_kinds_of_keys_are_unsupported() {
    for (kind, name) in [("rsa", "ssh-rsa"), ("ecdsa -b 521", "ecdsa-sha2-nistp521")] {
        let dir = made(kind, "''");
        let unsupported = TrustError::UnsupportedAlgorithm(name.to_owned());
        let private = SecretKey::from_pem(&read(dir.path(), "id"), None).unwrap_err();
        assert_eq!(private, unsupported);
        assert_eq!(KeyRecord::parse(&read(dir.path(), "id.pub")).unwrap_err(), unsupported);
    }
}

#[test]
fn a_signature_that_is_not_quite_it_is_refused() {
    let dir = made("ed25519", "''");
    let dir = dir.path();
    std::fs::write(dir.join("msg"), MESSAGE).unwrap();
    assert!(keygen(dir, "-q -Y sign -n git -f id msg", b""));
    let key = SecretKey::from_pem(&read(dir, "id"), None).unwrap();
    let key_id = key.public().key_id();
    let refused = |bytes: &[u8]| key.public().verify(MESSAGE, bytes).unwrap_err();
    let git = std::fs::read(dir.join("msg.sig")).unwrap();
    assert_eq!(
        refused(&git),
        TrustError::Namespace { key_id, expected: NAMESPACE, found: "git".to_owned() }
    );
    let another = SecretKey::from_pem(&read(made("ed25519", "''").path(), "id"), None).unwrap();
    let by_another = another.sign(MESSAGE).unwrap();
    assert_eq!(refused(&by_another), TrustError::BadSignature { key_id });

    let text = String::from_utf8(key.sign(MESSAGE).unwrap()).unwrap();
    let blob = |text: &str| {
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        BASE64.decode(body).unwrap()
    };
    let armored = |blob: &[u8]| {
        format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", {
            let text = BASE64.encode(blob);
            let lines: Vec<&str> =
                text.as_bytes().chunks(70).flat_map(std::str::from_utf8).collect();
            lines.join("\n")
        })
    };
    let whole = blob(&text);
    assert_eq!(armored(&whole), text);
    // Every bit of it: most of them are the signature's or the key's.
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = refused(armored(&flipped).as_bytes());
        assert!(
            matches!(
                error,
                TrustError::MalformedSignature { .. }
                    | TrustError::BadSignature { .. }
                    | TrustError::Namespace { .. }
            ),
            "bit {bit}: {error}"
        );
    }
    for length in 0..whole.len() {
        let error = refused(armored(&whole[..length]).as_bytes());
        assert!(matches!(error, TrustError::MalformedSignature { .. }), "{length}: {error}");
    }
    let malformed = |text: &str, what| {
        let error = refused(text.as_bytes());
        assert_eq!(error, TrustError::MalformedSignature { key_id, what }, "{text}");
    };
    malformed(&armored(&[&whole[..], &[0]].concat()), "it goes on after its end");
    malformed(&text[..text.len() - 10], "its last line is missing");
    malformed(&text[..100], "its last line is missing");
    malformed(&format!("{text}\n"), "something stands behind its last line");
    malformed(&format!("{text}{text}"), "something stands behind its last line");
    malformed(&format!("\n{text}"), "its first line is another");
    malformed(&text.replace('\n', "\r\n"), "its first line is another");
    malformed(&text.replace("SIGNATURE-----\nU", "SIGNATURE-----\n\nU"), EMPTY_LINE);
    malformed(&text.replacen("AAAA", "AAA*", 1), "it is not base64");
    malformed(&armored(b"SSHSIG\0\0\0\x02"), "its version is unknown");
    malformed(&armored(b"sshsig\0\0\0\x01"), "it does not begin with SSHSIG");
    let hash = armored(&replaced(&whole, b"sha512", b"sha511"));
    malformed(&hash, "its hash is unknown");
    malformed("", "its first line is another");
    key.public().verify(MESSAGE, text.as_bytes()).unwrap();
    key.public().verify(MESSAGE, text.trim_end().as_bytes()).unwrap();
}

const EMPTY_LINE: &str = "a line of it is empty or too long";

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// A real ssh-agent on a socket of its own; stopped when dropped.
struct Agent {
    child: Child,
    socket: std::path::PathBuf,
}

impl Agent {
    fn start(dir: &Path) -> Agent {
        let socket = dir.join("agent");
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("ssh-agent is installed");
        let agent = Agent { child, socket };
        for _ in 0..500 {
            if agent.socket.exists() {
                return agent;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("ssh-agent does not listen");
    }

    fn add(&self, path: &Path) {
        let mut command = Command::new("ssh-add");
        command.arg("-q").arg(path).env("SSH_AUTH_SOCK", &self.socket);
        assert!(command.status().unwrap().success());
    }

    fn signer(&self, key: PublicKey) -> AgentSigner {
        AgentSigner::new(self.socket.clone(), key, Duration::from_secs(10))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn ssh_agent_signs() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path());
    for kind in KINDS {
        let key = made(kind, "''");
        let (dir, public) = (key.path(), public(key.path()));
        let signer = agent.signer(public.clone());
        let refused = signer.sign(MESSAGE).unwrap_err();
        let what = "it does not hold the key, or refuses to use it".to_owned();
        assert_eq!(refused, TrustError::Agent { key_id: public.key_id(), what });
        agent.add(&dir.join("id"));
        let signature = Signature::by(&signer, MESSAGE).unwrap();
        std::fs::write(dir.join("sig"), signature.bytes).unwrap();
        assert!(keygen_verifies(dir, MESSAGE), "{kind}");
    }
}

#[test]
fn an_agent_that_errs_is_an_error() {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;
    let dir = tempfile::tempdir().unwrap();
    let key = made("ed25519", "''");
    let public = public(key.path());
    let ask = |name: &str, answer: &'static [u8], hold: bool| {
        let socket = dir.path().join(name);
        let listener = UnixListener::bind(&socket).unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4];
            stream.read_exact(&mut request).unwrap();
            let mut rest = vec![0; u32::from_be_bytes(request) as usize];
            stream.read_exact(&mut rest).unwrap();
            stream.write_all(answer).unwrap();
            if hold {
                // Until the other side is tired of waiting.
                let _ = stream.read(&mut request);
            }
        });
        let signer = AgentSigner::new(socket, public.clone(), Duration::from_millis(200));
        let failed = Signature::by(&signer, MESSAGE).unwrap_err();
        thread.join().unwrap();
        match failed {
            TrustError::Agent { what, .. } => what,
            other => other.to_string(),
        }
    };
    let no = "it does not hold the key, or refuses to use it";
    assert_eq!(ask("failure", b"\0\0\0\x01\x05", false), no);
    assert_eq!(ask("empty", b"\0\0\0\0", false), no);
    assert_eq!(ask("other", b"\0\0\0\x05\x0c\0\0\0\0", false), no);
    assert_eq!(ask("behind", b"\0\0\0\x06\x0e\0\0\0\0\0", false), no);
    assert_eq!(ask("huge", b"\xff\xff\xff\xff", false), "its answer is too long");
    assert_eq!(ask("silent", b"\0\0", true), "no answer in time");
    assert_eq!(ask("short", b"\0\0\0\x05\x0e", false), "failed to fill whole buffer");
    let forged = ask("forged", b"\0\0\0\x05\x0e\0\0\0\0", false);
    assert!(forged.contains("gave no good signature"), "{forged}");
    let absent = AgentSigner::new(dir.path().join("no"), public, Duration::from_secs(1));
    assert!(matches!(absent.sign(MESSAGE), Err(TrustError::Agent { .. })));
}
