//! `gapferry key new`: makes a key pair.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::NamedTempFile;

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::input;
use super::super::output::escaped;
use super::beside;
use crate::files::{self, FileError};
use crate::trust::{Scheme, SecretKey, Signer as _};

const EXAMPLES: &str = "\
EXAMPLES:
  Write release.key (for you alone) and release.key.pub (for everybody):
    gapferry key new -o release.key
  Keep the private key encrypted:
    gapferry key new -o release.key --passphrase-file passphrase.txt
  The same with openssl:
    openssl genpkey -algorithm ed25519 -aes256 -out release.key
    openssl pkey -in release.key -pubout -out release.key.pub
  For hosts that may not use Ed25519 (FIPS):
    gapferry key new -o release.key --scheme ecdsa-p384";

/// Make a key pair: FILE (readable by you alone) and FILE.pub
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The private key; the public key goes beside it, with `.pub` appended. Nothing is overwritten
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// The signature scheme: ed25519 or ecdsa-p384; keys of OpenSSH come from ssh-keygen
    #[arg(long, value_name = "SCHEME", default_value_t)]
    scheme: Scheme,
    /// Encrypt the private key with the first line of this file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Does it.
///
/// # Errors
/// When a file is there already or cannot be written.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let passphrase = args.passphrase_file.as_deref().map(input::secret).transpose()?;
    let public_path = beside(&args.out);
    for path in [&args.out, &public_path] {
        refuse_existing(path)?;
    }
    let key = SecretKey::generate(args.scheme)?;
    let pem = key.to_pem(passphrase.as_ref().map(|line| line.as_slice()))?;
    write_new(&args.out, pem.as_bytes(), 0o600)?;
    if let Err(failure) = write_new(&public_path, key.public().to_text().as_bytes(), 0o644) {
        // Half a pair is of no use, and would stand in the way of the next try.
        std::fs::remove_file(&args.out)
            .map_err(|error| FileError::io("remove", &args.out, error))?;
        return Err(failure);
    }
    let (scheme, id) = (key.public().scheme(), key.public().key_id());
    if context.json() {
        return context.print_json(&json!({
            "scheme": scheme.name(),
            "keyId": id.to_string(),
            "privateKey": args.out.to_string_lossy(),
            "publicKey": public_path.to_string_lossy(),
        }));
    }
    let (private, public) = (args.out.to_string_lossy(), public_path.to_string_lossy());
    context.print(&format!(
        "private key  {}\npublic key   {}\nscheme       {scheme}\nkey id       {id}\n",
        escaped(&private),
        escaped(&public)
    ))
}

fn refuse_existing(path: &Path) -> Result<(), Failure> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Err(exists(path)),
        Err(_) => Ok(()),
    }
}

fn exists(path: &Path) -> Failure {
    Failure::new(Exit::Failed, "exists", format!("{} is there already", path.display()))
        .hint("choose another name; keys are never overwritten")
}

/// Writes a file that was not there: complete, or not at all.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let failed = |action| move |error| FileError::io(action, path, error);
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    let mut file = tempfile::Builder::new()
        .prefix(".gapferry-")
        .permissions(permissions)
        .tempfile_in(files::parent(path))
        .map_err(failed("create"))?;
    file.write_all(bytes).map_err(failed("write"))?;
    file.as_file().sync_all().map_err(failed("sync"))?;
    persist(file, path)?;
    Ok(files::sync_directory(&files::parent(path))?)
}

fn persist(file: NamedTempFile, path: &Path) -> Result<(), Failure> {
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Err(exists(path)),
        Err(error) => Err(FileError::io("create", path, error.error).into()),
    }
}
