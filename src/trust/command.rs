//! Signing by a program: a hardware module, a cloud's key service, another machine.
//!
//! The program gets the bytes on standard input and answers with the signature, in the form of the
//! key's scheme, on standard output.
//!
//! Withstands: a program that fails, hangs, answers too much, does not read, or prints to standard
//! error without end. What it signed is verified by whoever asked.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use super::key::{PublicKey, Signer};
use super::{Purpose, TrustError};

/// The longest signature, in bytes: no bundle has a longer one.
const MAX_SIGNATURE: u64 = 8 * 1024;
/// How much of what it prints to standard error is kept, in bytes.
const MAX_COMPLAINT: u64 = 4 * 1024;
/// How often it is looked whether the program has ended.
const STEP: Duration = Duration::from_millis(10);
/// How long a program that has ended may keep standard error open, by those whom it started.
const A_MOMENT: Duration = Duration::from_millis(500);

/// A key whose private half some program uses.
#[derive(Debug)]
pub struct CommandSigner {
    program: OsString,
    arguments: Vec<OsString>,
    key: PublicKey,
    patience: Duration,
}

/// A program at work, and what it says.
struct Running {
    child: Child,
    signature: Receiver<io::Result<Vec<u8>>>,
    complaint: Receiver<String>,
}

impl CommandSigner {
    /// `program` signs for `key`, within `patience`: somebody may have to type a PIN. No shell is
    /// between.
    pub fn new(
        program: OsString,
        arguments: Vec<OsString>,
        key: PublicKey,
        patience: Duration,
    ) -> CommandSigner {
        CommandSigner { program, arguments, key, patience }
    }

    fn start(&self, message: &[u8]) -> io::Result<Running> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let message = message.to_owned();
        // A program that signs without reading will be found out by its signature.
        thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&message)));
        let signature = apart(move || {
            let mut bytes = Vec::new();
            let read = stdout.map(|out| out.take(MAX_SIGNATURE + 1).read_to_end(&mut bytes));
            read.unwrap_or(Ok(0)).map(|_| bytes)
        });
        let complaint = apart(move || stderr.map(complaint).unwrap_or_default());
        Ok(Running { child, signature, complaint })
    }

    fn failed(&self, what: impl Display, complaint: &str) -> TrustError {
        let program = self.program.to_string_lossy().into_owned();
        let complaint = complaint.trim_end().to_owned();
        TrustError::Program { program, what: what.to_string(), complaint }
    }
}

/// Does `work` in a thread of its own; nobody need wait for its result.
fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (send, receive) = mpsc::channel();
    // An error says that nobody waits any more.
    thread::spawn(move || send.send(work()));
    receive
}

/// The first bytes of what is printed. With the pipe closed behind them, who prints on gets an error.
fn complaint(stderr: impl Read) -> String {
    let mut bytes = Vec::new();
    // What was read before an error is all the same what it said.
    let _ = stderr.take(MAX_COMPLAINT).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Running {
    /// How the program ended; it is stopped when it has not by itself within `patience`.
    fn end(&mut self, patience: Duration) -> io::Result<Option<ExitStatus>> {
        let mut waited = Duration::ZERO;
        while waited < patience {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(STEP);
            waited += STEP;
        }
        self.stop()?;
        Ok(None)
    }

    fn stop(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Signer for CommandSigner {
    fn public(&self) -> &PublicKey {
        &self.key
    }

    /// The program is told of no purpose: whoever names it on the command line knows.
    fn sign_for(&self, _: Purpose, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        let mut running = self.start(message).map_err(|error| self.failed(error, ""))?;
        let failure = match running.signature.recv_timeout(self.patience) {
            Err(_) => "no answer in time".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(bytes)) if bytes.len() as u64 > MAX_SIGNATURE => {
                "its answer is longer than any signature".to_owned()
            }
            Ok(Ok(signature)) => match running.end(self.patience) {
                Err(error) => error.to_string(),
                Ok(None) => "it does not end".to_owned(),
                Ok(Some(status)) if status.success() => return Ok(signature),
                Ok(Some(status)) => status.to_string(),
            },
        };
        // It may have ended by itself, which is as good.
        let _ = running.stop();
        let complaint = running.complaint.recv_timeout(A_MOMENT).unwrap_or_default();
        Err(self.failed(failure, &complaint))
    }
}
