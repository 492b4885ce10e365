//! Credential helpers: programs `docker-credential-<name>` that keep passwords.
//!
//! The program gets the registry's name on standard input and answers with JSON on standard output,
//! or with words there and a status other than 0. What a program says is remembered until a registry
//! does not take it.
//!
//! Withstands: a name that is a path, a program that is not there, fails, hangs, does not read,
//! prints without end, or answers nonsense. Secrets stand in no error. Source: docker's
//! `docker-credential-helpers`, the README's "Development".

use std::collections::HashMap;
use std::io::{self, Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::credentials::{Helper, Secret, secret};
use super::error::words;

/// The longest answer, in bytes.
const MAX_ANSWER: u64 = 64 * 1024;
/// How long a program may take: somebody may have to unlock a key ring.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether the program has ended.
const STEP: Duration = Duration::from_millis(5);
/// What a helper says of a registry that it does not know, in docker's own words.
const NOT_FOUND: &str = "credentials not found";

/// Asks helpers, each once for a registry.
pub(super) struct Helpers {
    patience: Duration,
    answers: Mutex<HashMap<Helper, Option<Secret>>>,
}

impl Default for Helpers {
    fn default() -> Helpers {
        Helpers { patience: PATIENCE, answers: Mutex::default() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl Helpers {
    /// What `helper` keeps; `None` when it knows nothing of the registry. The error is words that
    /// may be shown.
    pub(super) fn ask(&self, helper: &Helper) -> Result<Option<Secret>, String> {
        // Held meanwhile: a helper may ask a person, who is asked once.
        let mut answers = self.lock();
        if let Some(known) = answers.get(helper) {
            return Ok(known.clone());
        }
        let found = run(helper, self.patience)?;
        answers.insert(helper.clone(), found.clone());
        Ok(found)
    }

    /// Asks again next time: what it said was not taken, perhaps because it has ended.
    pub(super) fn forget(&self, helper: &Helper) {
        self.lock().remove(helper);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Helper, Option<Secret>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(helper: &Helper, patience: Duration) -> Result<Option<Secret>, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if helper.name.is_empty() || !helper.name.chars().all(fits) {
        return Err("it has no name that a program could have".to_owned());
    }
    let program = format!("docker-credential-{}", helper.name);
    let (mut child, answer) = start(&program, &helper.server)
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    let end = Instant::now() + patience;
    let outcome = match answer.recv_timeout(patience) {
        Err(_) => Err("it gives no answer in time".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(bytes)) if bytes.len() as u64 > MAX_ANSWER => {
            Err("its answer is longer than any".to_owned())
        }
        Ok(Ok(bytes)) => match ended(&mut child, end) {
            None => Err("it does not end".to_owned()),
            Some(true) => read(&bytes),
            Some(false) => refusal(&bytes),
        },
    };
    // It may have ended by itself, which is as good.
    let _ = child.kill();
    let _ = child.wait();
    outcome
}

type Said = io::Result<Zeroizing<Vec<u8>>>;

fn start(program: &str, server: &str) -> io::Result<(Child, Receiver<Said>)> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let server = server.to_owned();
    // One that answers without reading has its reasons.
    thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(server.as_bytes())));
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::new());
        let read = stdout.map(|out| out.take(MAX_ANSWER + 1).read_to_end(&mut bytes));
        // An error says that nobody waits any more.
        send.send(read.unwrap_or(Ok(0)).map(|_| bytes))
    });
    Ok((child, receive))
}

/// Whether the program succeeded; `None` when it has not ended by then.
fn ended(child: &mut Child, end: Instant) -> Option<bool> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if Instant::now() < end => thread::sleep(STEP),
            _ => return None,
        }
    }
}

fn read(bytes: &[u8]) -> Result<Option<Secret>, String> {
    // The JSON library's own error may hold a part of the answer.
    let answer: Answer =
        serde_json::from_slice(bytes).map_err(|_| "its answer is malformed".to_owned())?;
    let password = answer.secret.into();
    Ok(Some(secret(&answer.username, password)))
}

/// The words of a helper that has nothing to give.
fn refusal(bytes: &[u8]) -> Result<Option<Secret>, String> {
    let text = String::from_utf8_lossy(bytes);
    if text.trim().starts_with(NOT_FOUND) {
        return Ok(None);
    }
    // An answer after all, with a secret in it, is not to be shown.
    let is_words = !text.contains(['{', '"']);
    Err(if is_words && !text.trim().is_empty() { words(&text) } else { "it failed".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// Runs a shell script as the helper.
    fn scripted(script: &str, patience: Duration) -> Result<Option<Secret>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("helper");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let path = path.to_str().unwrap().to_owned();
        let (mut child, answer) = retried(|| start(&path, "reg.test"));
        let end = Instant::now() + patience;
        let outcome = match answer.recv_timeout(patience) {
            Ok(Ok(bytes)) if bytes.len() as u64 > MAX_ANSWER => Err("long".to_owned()),
            Ok(Ok(bytes)) => match ended(&mut child, end) {
                Some(true) => read(&bytes),
                Some(false) => refusal(&bytes),
                None => Err("does not end".to_owned()),
            },
            _ => Err("no answer".to_owned()),
        };
        child.kill().ok();
        child.wait().unwrap();
        outcome
    }

    /// Another test that forks meanwhile holds the script open for a moment.
    fn retried<T>(run: impl Fn() -> io::Result<T>) -> T {
        loop {
            match run() {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {}
                other => return other.unwrap(),
            }
        }
    }

    #[test]
    fn an_answer_is_read() {
        let long = Duration::from_secs(20);
        let script = r#"read server; echo "{\"ServerURL\":\"$server\",\"Username\":\"u\",\"Secret\":\"p:q\"}""#;
        let found = scripted(script, long).unwrap();
        assert!(found == Some(secret("u", "p:q".to_owned().into())));
        let script = r#"echo '{"Username":"<token>","Secret":"t"}'"#;
        assert!(scripted(script, long).unwrap() == Some(Secret::Identity("t".to_owned().into())));
        for script in [
            "echo credentials not found in native keychain; exit 1",
            "echo 'credentials not found'; exit 3",
        ] {
            assert!(scripted(script, long).unwrap().is_none());
        }
    }

    #[test]
    fn failures_are_told_without_secrets() {
        let long = Duration::from_secs(20);
        for (script, words) in [
            ("echo the key ring is locked; exit 1", "the key ring is locked"),
            ("exit 1", "it failed"),
            (r#"echo '{"Username":"u","Secret":"hunter2"}'; exit 1"#, "it failed"),
            (r#"echo '{"Secret":hunter2}'"#, "its answer is malformed"),
            ("echo hunter2", "its answer is malformed"),
            ("yes hunter2", "long"),
        ] {
            assert_eq!(scripted(script, long).unwrap_err(), words, "{script}");
        }
        let short = Duration::from_millis(200);
        assert_eq!(scripted("exec sleep 20", short).unwrap_err(), "no answer");
        let closes = "exec >/dev/null; exec sleep 20";
        assert_eq!(scripted(closes, short).unwrap_err(), "does not end");
    }

    #[test]
    fn a_name_is_no_path() {
        for name in ["", "../x", "a/b", "a b", "x;y"] {
            let helper = Helper { name: name.to_owned(), server: "reg.test".to_owned() };
            assert!(Helpers::default().ask(&helper).unwrap_err().contains("no name"), "{name}");
        }
        let helper = Helper { name: "is-not-there".to_owned(), server: "reg.test".to_owned() };
        assert!(Helpers::default().ask(&helper).unwrap_err().contains("cannot be run"));
    }
}
