//! Signing with a key that ssh-agent holds.
//!
//! Withstands: an agent that answers something else, too much, nothing, or not in time. What it
//! signed is verified by whoever asked. Source: PROTOCOL.agent (draft-miller-ssh-agent).

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::super::TrustError;
use super::super::key::{PublicKey, Signer};
use super::wire::{Reader, put_string};
use super::{Purpose, SshKey, sshsig};

const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// The largest answer, in bytes.
const MAX_ANSWER: u32 = 16 * 1024;

/// A key of OpenSSH whose private half ssh-agent holds.
#[derive(Debug)]
pub struct AgentSigner {
    socket: PathBuf,
    key: PublicKey,
    patience: Duration,
}

impl AgentSigner {
    /// The agent that listens at `socket`, to be waited for as long as `patience`: its user may have
    /// to touch an authenticator.
    pub fn new(socket: PathBuf, key: PublicKey, patience: Duration) -> AgentSigner {
        AgentSigner { socket, key, patience }
    }

    fn ask(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        let mut framed = Vec::new();
        put_string(&mut framed, request);
        stream.write_all(&framed)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > MAX_ANSWER {
            return Err(io::Error::other("its answer is too long"));
        }
        let mut answer = vec![0; length as usize];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }

    fn request(key: &SshKey, purpose: Purpose, message: &[u8]) -> Vec<u8> {
        let mut request = vec![SIGN_REQUEST];
        put_string(&mut request, key.blob());
        put_string(&mut request, &sshsig::to_sign(purpose, message));
        request.extend_from_slice(&0u32.to_be_bytes()); // No flags: they are for RSA.
        request
    }
}

impl Signer for AgentSigner {
    fn public(&self) -> &PublicKey {
        &self.key
    }

    fn sign_for(&self, purpose: Purpose, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        let failed = |what: String| TrustError::Agent { key_id: self.key.key_id(), what };
        let key = self.key.as_ssh().ok_or_else(|| failed("it is for OpenSSH keys".to_owned()))?;
        let answer = self.ask(&AgentSigner::request(key, purpose, message));
        let answer = answer.map_err(|error| failed(said(&error)))?;
        let signature = signature(&answer);
        let refused = || "it does not hold the key, or refuses to use it".to_owned();
        Ok(sshsig::seal(key, purpose, signature.ok_or_else(|| failed(refused()))?))
    }
}

fn signature(answer: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(answer);
    if reader.byte()? != SIGN_RESPONSE {
        return None;
    }
    let signature = reader.string()?;
    reader.finish()?;
    Some(signature)
}

fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => error.to_string(),
    }
}
