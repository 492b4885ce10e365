//! `gapferry key`: makes and shows keys.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::input;
use super::output::{escaped, quoted};
use crate::files::{self, FileError};
use crate::trust::{PublicKey, Scheme, SecretKey, Signer as _};

const EXAMPLES: &str = "\
EXAMPLES:
  gapferry key new -o release.key
  gapferry key show release.key.pub";

const NEW_EXAMPLES: &str = "\
EXAMPLES:
  Write release.key (for you alone) and release.key.pub (for everybody):
    gapferry key new -o release.key
  Keep the private key encrypted:
    gapferry key new -o release.key --passphrase-file passphrase.txt
  The same with openssl:
    openssl genpkey -algorithm ed25519 -aes256 -out release.key
    openssl pkey -in release.key -pubout -out release.key.pub";

const SHOW_EXAMPLES: &str = "\
EXAMPLES:
  Compare the key id over the phone before you trust a key:
    gapferry key show release.key.pub
  For scripts:
    gapferry key show release.key.pub --output json";

/// Make and show signing keys
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    New(NewArgs),
    Show(ShowArgs),
}

/// Make a key pair: FILE (readable by you alone) and FILE.pub
#[derive(Debug, clap::Args)]
#[command(after_help = NEW_EXAMPLES)]
struct NewArgs {
    /// The private key; the public key goes beside it, with `.pub` appended. Nothing is overwritten
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// The signature scheme: ed25519
    #[arg(long, value_name = "SCHEME", default_value_t)]
    scheme: Scheme,
    /// Encrypt the private key with the first line of this file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Show the scheme and the id of a key, and how to check signatures without gapferry
#[derive(Debug, clap::Args)]
#[command(after_help = SHOW_EXAMPLES)]
struct ShowArgs {
    /// A public or a private key (PEM)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The first line of this file opens an encrypted private key
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Does it.
///
/// # Errors
/// When a file cannot be read or written, or holds no key.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.command {
        KeyCommand::New(args) => new(args, context),
        KeyCommand::Show(args) => show(args, context),
    }
}

fn new(args: NewArgs, context: &Context) -> Result<(), Failure> {
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

fn show(args: ShowArgs, context: &Context) -> Result<(), Failure> {
    let (key, public_path) = load(&args)?;
    let (scheme, id) = (key.scheme(), key.key_id());
    if context.json() {
        return context.print_json(&json!({
            "scheme": scheme.name(),
            "keyId": id.to_string(),
            "publicKeyPem": key.to_text(),
        }));
    }
    let file = escaped(&quoted(&public_path.to_string_lossy()));
    context.print(&format!(
        "scheme  {scheme}\nkey id  {id}\ncheck   openssl pkeyutl -verify -pubin -inkey {file} \
         -rawin -in seal -sigfile seal.{id}.sig\n"
    ))
}

/// The public key in the file, or of the private key in it, and where the public key's file is.
fn load(args: &ShowArgs) -> Result<(PublicKey, PathBuf), Failure> {
    let text = input::key(&args.file)?;
    let here = |error| Failure::from(error).at(args.file.display());
    if !text.contains("PRIVATE KEY-----") {
        return Ok((PublicKey::from_pem(&text).map_err(here)?, args.file.clone()));
    }
    let passphrase = args.passphrase_file.as_deref().map(input::secret).transpose()?;
    let key = secret_key(&text, passphrase).map_err(here)?;
    Ok((key.public().clone(), beside(&args.file)))
}

fn secret_key(
    text: &str,
    passphrase: Option<Zeroizing<Vec<u8>>>,
) -> Result<SecretKey, crate::trust::TrustError> {
    SecretKey::from_pem(text, passphrase.as_ref().map(|line| line.as_slice()))
}

/// `FILE.pub`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
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
