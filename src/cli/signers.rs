//! Who signs: private key files, ssh-agent, programs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::input;
use crate::trust::{
    AgentSigner, CommandSigner, KeyRecord, PublicKey, Purpose, Scheme, SecretKey, Signer,
    TrustError,
};

/// With which keys to sign.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Signing")]
pub struct SignerArgs {
    /// Sign with this private key (PEM or OpenSSH; repeatable). The public key file of an OpenSSH
    /// key stands for the private one that ssh-agent holds
    #[arg(long, value_name = "PRIVATE-KEY", required_unless_present = "signer_command")]
    pub key: Vec<PathBuf>,
    /// The first line of this file opens encrypted private keys
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Sign with a program (repeatable): it gets what is to be signed on standard input and prints
    /// the signature of that public key. Words may be in quotes; no shell is between
    #[arg(long, value_name = "PUBLIC-KEY=PROGRAM ARG...")]
    pub signer_command: Vec<SignerCommand>,
    /// How long a program or ssh-agent may take, for a PIN or a touch
    #[arg(long, value_name = "SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub signer_timeout: u16,
}

/// A program that signs, and the key for which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerCommand {
    key: PathBuf,
    program: OsString,
    arguments: Vec<OsString>,
}

impl SignerArgs {
    /// Everybody who is to sign.
    ///
    /// # Errors
    /// When a key cannot be read, or a passphrase is wrong.
    pub fn signers(&self, context: &Context) -> Result<Vec<Box<dyn Signer>>, Failure> {
        let passphrase = self.passphrase_file.as_deref().map(input::secret).transpose()?;
        let passphrase = passphrase.as_ref().map(|line| line.as_slice());
        let mut signers = Vec::new();
        for path in &self.key {
            signers.push(self.signer(path, passphrase, context)?);
        }
        for command in &self.signer_command {
            let SignerCommand { key, program, arguments } = command.clone();
            let (key, patience) = (public_key(&key)?, self.patience());
            signers.push(Box::new(CommandSigner::new(program, arguments, key, patience)));
        }
        Ok(signers)
    }

    fn signer(
        &self,
        path: &Path,
        passphrase: Option<&[u8]>,
        context: &Context,
    ) -> Result<Box<dyn Signer>, Failure> {
        let text = input::key(path)?;
        let here = |error: TrustError| Failure::from(error).at(path.display());
        if text.contains("-----BEGIN ") {
            return Ok(Box::new(SecretKey::from_pem(&text, passphrase).map_err(here)?));
        }
        let no_agent = || {
            Failure::new(Exit::Usage, "no-agent", "SSH_AUTH_SOCK is not set")
                .hint("a public key stands for one that ssh-agent holds; else give the private key")
        };
        let key = public_key(path)?;
        let socket = context.variable("SSH_AUTH_SOCK").ok_or_else(no_agent)?;
        Ok(Box::new(AgentSigner::new(socket.into(), key, self.patience())))
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.signer_timeout.into())
    }
}

/// The one public key in a file.
///
/// # Errors
/// When there is none, or several.
pub fn public_key(path: &Path) -> Result<PublicKey, Failure> {
    let here = |failure: Failure| failure.at(path.display());
    let records = KeyRecord::parse(&input::key(path)?).map_err(|error| here(error.into()))?;
    match <[KeyRecord; 1]>::try_from(records) {
        Ok([record]) => Ok(record.key),
        Err(_) => {
            let failure = Failure::new(Exit::Usage, "several-keys", "the file holds several keys");
            Err(here(failure.hint("put the key that is meant in a file of its own")))
        }
    }
}

/// How to check a signature of `key` with other tools, in the directory of the seal. `file` holds
/// the public key, as a word for a shell.
pub fn check_line(key: &PublicKey, file: &str) -> String {
    let id = key.key_id();
    match key.scheme() {
        Scheme::EcdsaP384 => {
            format!("openssl dgst -sha384 -verify {file} -signature seal.{id}.sig seal")
        }
        Scheme::OpenSsh => {
            let line = key.to_text();
            // Without our options, which ssh-keygen does not know.
            let words: Vec<&str> = line.split_whitespace().rev().take(2).collect();
            format!(
                "echo 'maker {} {}' > allowed && ssh-keygen -Y verify -f allowed -I maker \
                 -n {} -s seal.{id}.sig < seal",
                words[1],
                words[0],
                Purpose::Seal.namespace()
            )
        }
        // Ed25519, and whatever else openssl signs without a digest of its own.
        _ => format!(
            "openssl pkeyutl -verify -pubin -inkey {file} -rawin -in seal -sigfile seal.{id}.sig"
        ),
    }
}

impl FromStr for SignerCommand {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<SignerCommand, &'static str> {
        let expected = "expected PUBLIC-KEY=PROGRAM ARG...";
        let (key, command) = text.split_once('=').ok_or(expected)?;
        let mut words = words(command).ok_or("a quote is not closed")?.into_iter();
        match (key, words.next()) {
            ("", _) | (_, None) => Err(expected),
            (key, Some(program)) => Ok(SignerCommand {
                key: PathBuf::from(key),
                program: program.into(),
                arguments: words.map(OsString::from).collect(),
            }),
        }
    }
}

/// Words between blanks; within single or double quotes a blank is like any other character. There
/// are no escapes, variables or patterns. `None` when a quote is not closed.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (None, None);
    for c in text.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_with(String::new);
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_with(String::new).push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_words() {
        let read = |text: &str| text.parse::<SignerCommand>();
        let command =
            read("a.pub=pkcs11-tool  --sign --pin-file '/a b/c' \"it's\" '' x'y z'").unwrap();
        assert_eq!((command.key, command.program), ("a.pub".into(), "pkcs11-tool".into()));
        assert_eq!(command.arguments, ["--sign", "--pin-file", "/a b/c", "it's", "", "xy z"]);
        let plain = read("a.pub=sign --key=x $HOME * \\n").unwrap();
        assert_eq!(plain.arguments, ["--key=x", "$HOME", "*", "\\n"]);
        for wrong in ["", "a.pub", "a.pub=", "a.pub=  ", "=sign", "a.pub=sign 'x", "a.pub=\"sign"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
