//! `gapferry receipt`, and the receipt that an import leaves.

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::{bytes, count, escaped};
use super::signers::{SignerArgs, public_key};
use crate::export::{BaseBundle, Bases};
use crate::files;
use crate::oci::Reference;
use crate::receipt::{self, Became, Override, Receipt};
use crate::trust::{KeyId, Keyring, Signer};
use crate::verify::{self, Claims};

const EXAMPLES: &str = "\
EXAMPLES:
  At the site: import, and leave a signed receipt on the medium that goes back:
    gapferry import /media/stick/bundle --trust release.key.pub --to docker://registry.site:5000 \\
      --receipt medium --receipt-key site.key --operator ann --second-person bob
  On the connected side: is it the site's word, and of this bundle:
    gapferry receipt check /media/stick/bundle/receipt-000001 --trust site.key.pub --bundle bundle
  The next delta, from what the site says it holds:
    gapferry export --lock june.lock -o june --key release.key --since bundle \\
      --since /media/stick/bundle/receipt-000001 --receipt-trust site.key.pub";

/// Show and check receipts: what a site says of an import
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: ReceiptCommand,
}

#[derive(Debug, Subcommand)]
enum ReceiptCommand {
    /// Show a receipt; nothing of it is proven by that
    #[command(after_help = EXAMPLES)]
    Show {
        /// The receipt
        #[arg(value_name = "RECEIPT")]
        receipt: PathBuf,
    },
    /// Verify who signed a receipt, and that it is of a bundle
    #[command(after_help = EXAMPLES)]
    Check {
        /// The receipt; its signatures lie beside it
        #[arg(value_name = "RECEIPT")]
        receipt: PathBuf,
        /// Believe receipts that this public key signed (repeatable)
        #[arg(long, value_name = "PUBLIC-KEY", required = true)]
        trust: Vec<PathBuf>,
        /// How many of the keys must have signed
        #[arg(long, value_name = "N", default_value_t = 1)]
        threshold: usize,
        /// The bundle that it must be of; its head files are enough
        #[arg(long, value_name = "BUNDLE")]
        bundle: Option<PathBuf>,
    },
}

/// The receipt that an import leaves.
#[derive(Debug, Clone, Default, ClapArgs)]
#[command(next_help_heading = "Receipt")]
pub struct ReceiptArgs {
    /// Leave a signed receipt here: a file, a directory, or `medium`, the directory of the bundle
    #[arg(long, value_name = "FILE|DIR", requires = "receipt_key")]
    pub receipt: Option<PathBuf>,
    /// Sign the receipt with this private key of the site (repeatable)
    #[arg(long, value_name = "PRIVATE-KEY", requires = "receipt")]
    pub receipt_key: Vec<PathBuf>,
    /// The first line of this file opens encrypted private keys
    #[arg(long, value_name = "FILE", requires = "receipt_key")]
    pub passphrase_file: Option<PathBuf>,
    /// Who is there too
    #[arg(long, value_name = "NAME")]
    pub second_person: Option<String>,
    /// Why this is done in another way than usual: for the receipt and the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// A receipt that is to be written, and who signs it.
pub struct Desk {
    place: PathBuf,
    /// Who signs.
    pub signers: Vec<Box<dyn Signer>>,
}

impl ReceiptArgs {
    /// Looks, before the work, whether the receipt can be signed and written; `None` when none is asked
    /// for.
    ///
    /// # Errors
    /// When a key cannot be read, or something lies where the receipt should be.
    pub fn desk(&self, places: &[PathBuf], context: &Context) -> Result<Option<Desk>, Failure> {
        let Some(place) = &self.receipt else { return Ok(None) };
        let place = match place == Path::new("medium") {
            true => medium(places)?,
            false => place.clone(),
        };
        let place = receipt::free(&place)?;
        let parent = files::parent(&place);
        // Whether it can be written is seen before hours of work.
        let probe = files::AtomicFile::create(&place).map(drop);
        probe.map_err(|error| Failure::from(error).at(parent.display()))?;
        let signers = SignerArgs {
            key: self.receipt_key.clone(),
            passphrase_file: self.passphrase_file.clone(),
            signer_command: Vec::new(),
            signer_timeout: 120,
        };
        Ok(Some(Desk { place, signers: signers.signers(context)? }))
    }
}

/// The directory of the bundle.
fn medium(places: &[PathBuf]) -> Result<PathBuf, Failure> {
    places.iter().find(|place| place.is_dir()).cloned().ok_or_else(|| {
        let message = "no place of the bundle is a directory, where a receipt can lie";
        Failure::new(Exit::Usage, "no-directory", message).hint("give a file or a directory")
    })
}

impl Desk {
    /// Where the receipt will be.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Signs and writes the receipt.
    ///
    /// # Errors
    /// When it cannot be signed or written.
    pub fn leave(&self, receipt: &Receipt) -> Result<(), Failure> {
        let written = receipt::write(receipt, &self.place, &self.signers);
        written.map_err(|error| {
            let hint = "the images are loaded, and not remembered: run it again for the receipt";
            Failure::from(error).hint(hint)
        })?;
        Ok(())
    }
}

/// Does it.
///
/// # Errors
/// When the receipt cannot be read, is not signed by enough keys, or is of another bundle.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.command {
        ReceiptCommand::Show { receipt } => {
            let here = |error| Failure::from(error).at(receipt.display());
            print(&receipt::read(&receipt).map_err(here)?, &[], context)
        }
        ReceiptCommand::Check { receipt, trust, threshold, bundle } => {
            let (read, signers) = checked(&receipt, &trust, threshold)?;
            if let Some(bundle) = &bundle {
                agree(&read, bundle).map_err(|failure| failure.at(receipt.display()))?;
            }
            print(&read, &signers, context)
        }
    }
}

/// A receipt that enough of the keys signed, and which did.
///
/// # Errors
/// When it is damaged, or too few signed.
pub fn checked(
    place: &Path,
    trust: &[PathBuf],
    threshold: usize,
) -> Result<(Receipt, Vec<KeyId>), Failure> {
    let keys = trust.iter().map(|path| public_key(path)).collect::<Result<_, Failure>>()?;
    let keys = Keyring::new(keys, threshold)?;
    let here = |error| Failure::from(error).at(place.display());
    let (receipt, signed) = receipt::verify(place, &keys).map_err(here)?;
    Ok((receipt, signed.into_inner().signers))
}

fn agree(receipt: &Receipt, bundle: &Path) -> Result<(), Failure> {
    let claims = verify::claims(&[bundle.to_owned()])?;
    Ok(receipt.agrees(&claims.seal_digest, &claims.seal, &claims.lading)?)
}

/// What the bundles among the places of `--since` brought to the destination. What they say of
/// themselves is enough: a delta that counts on something else is refused where it is imported. With
/// receipts among the places, the site must have said of each bundle that it holds all of it, at one
/// target.
///
/// # Errors
/// When head files are damaged; when a receipt is not the site's, or a bundle lacks one, or the other
/// way round.
pub fn bases(since: &[PathBuf], trust: &[PathBuf]) -> Result<Bases, Failure> {
    let (receipts, bundles): (Vec<&PathBuf>, Vec<&PathBuf>) =
        since.iter().partition(|place| receipt::is_receipt(place));
    let claims = |place: &&PathBuf| {
        let claims = verify::claims(std::slice::from_ref(*place));
        claims.map_err(|error| Failure::from(error).at(place.display()))
    };
    let claims = bundles.iter().map(claims).collect::<Result<Vec<_>, Failure>>()?;
    if !receipts.is_empty() {
        confirmed(&bundles, &claims, &site_receipts(&receipts, trust)?)?;
    }
    let base = |claims: Claims| {
        let Claims { seal_digest: seal, lading, catalog, chunks, .. } = claims;
        BaseBundle { seal, lading, catalog, chunks }
    };
    Ok(Bases::new(claims.into_iter().map(base).collect()))
}

/// Receipts that the site signed, of imports into one target.
fn site_receipts(places: &[&PathBuf], trust: &[PathBuf]) -> Result<Vec<Receipt>, Failure> {
    if trust.is_empty() {
        let failure = Failure::new(Exit::Usage, "no-trust", "no key is trusted for receipts");
        return Err(failure.hint("give the site's public key: --receipt-trust site.key.pub"));
    }
    let read = |place: &&PathBuf| Ok(checked(place, trust, 1)?.0);
    let receipts = places.iter().map(read).collect::<Result<Vec<_>, Failure>>()?;
    match receipts.windows(2).find(|pair| pair[0].target != pair[1].target) {
        None => Ok(receipts),
        Some(pair) => {
            let (first, second) = (&pair[0].target, &pair[1].target);
            let message = format!("the receipts are of different targets: {first} and {second}");
            let failure = Failure::new(Exit::Usage, "several-targets", message);
            Err(failure.hint("a delta is for one target: give the receipts of that one"))
        }
    }
}

/// Whether the receipts say that all of the bundles is there, and are of no others.
fn confirmed(places: &[&PathBuf], bundles: &[Claims], receipts: &[Receipt]) -> Result<(), Failure> {
    for (place, claims) in places.iter().zip(bundles) {
        let here = |failure: Failure| failure.at(place.display());
        let own: Vec<&Receipt> =
            receipts.iter().filter(|it| it.seal == claims.seal_digest).collect();
        for receipt in &own {
            let agrees = receipt.agrees(&claims.seal_digest, &claims.seal, &claims.lading);
            agrees.map_err(|error| here(error.into()))?;
        }
        let names = claims.lading.images.iter().map(|image| &image.name);
        let lacking = names.into_iter().find(|name| !own.iter().any(|it| it.holds(name)));
        if own.is_empty() || lacking.is_some() {
            return Err(here(unconfirmed(lacking.filter(|_| !own.is_empty()))));
        }
    }
    let known = |receipt: &&Receipt| !bundles.iter().any(|it| it.seal_digest == receipt.seal);
    match receipts.iter().find(known) {
        None => Ok(()),
        Some(receipt) => {
            let message =
                format!("a receipt is of {}, which is not among those of --since", receipt.seal);
            let failure = Failure::new(Exit::Usage, "receipt-without-bundle", message);
            Err(failure.hint("name that bundle, or a directory with its head files, too"))
        }
    }
}

/// The site does not say that it holds all of a bundle.
fn unconfirmed(lacking: Option<&Reference>) -> Failure {
    let hint = "leave it out of --since, or give the receipt of an import of all of it";
    match lacking {
        None => {
            let message = "no receipt says that the site has it";
            Failure::new(Exit::NotAllowed, "no-receipt", message).hint(hint)
        }
        Some(name) => {
            let message = format!("the site does not say that it has {name}");
            Failure::new(Exit::NotAllowed, "receipt-in-part", message).hint(hint)
        }
    }
}

fn word(became: Became) -> &'static str {
    match became {
        Became::New => "new",
        Became::Present => "present",
        Became::Refused => "refused",
    }
}

fn override_word(it: &Override) -> &'static str {
    match it {
        Override::KeepGoing => "keep-going",
        Override::Only => "only",
        Override::Restore => "restore",
    }
}

fn print(receipt: &Receipt, signers: &[KeyId], context: &Context) -> Result<(), Failure> {
    match context.json() {
        true => context.print_json(&as_json(receipt, signers)),
        false => context.print(&table(receipt, signers)),
    }
}

fn as_json(receipt: &Receipt, signers: &[KeyId]) -> Value {
    let images = receipt.images.iter().map(|image| {
        json!({
            "outcome": word(image.outcome), "digest": image.digest, "name": image.name,
            "target": image.target,
        })
    });
    json!({
        "signatureVerified": !signers.is_empty(),
        "signers": signers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "whole": receipt.is_whole(),
        "tool": receipt.tool,
        "host": receipt.host,
        "operator": receipt.operator,
        "secondPerson": receipt.second_person,
        "started": receipt.started.to_string(),
        "finished": receipt.finished.to_string(),
        "seal": receipt.seal,
        "stream": receipt.stream.as_str(),
        "epoch": receipt.epoch,
        "sequence": receipt.sequence,
        "sealedBy": receipt.signers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "threshold": receipt.threshold,
        "trust": receipt.trust,
        "target": receipt.target.as_str(),
        "previous": receipt.previous.map(|(epoch, sequence, seal)| json!({
            "epoch": epoch, "sequence": sequence, "seal": seal,
        })),
        "overrides": receipt.overrides.iter().map(override_word).collect::<Vec<_>>(),
        "reason": receipt.reason,
        "images": images.collect::<Vec<_>>(),
        "blobs": receipt.blobs,
        "bytes": receipt.bytes,
        "log": receipt.log.as_ref().map(|it| json!({
            "origin": it.origin, "records": it.size, "root": it.root,
        })),
    })
}

fn table(receipt: &Receipt, signers: &[KeyId]) -> String {
    let signed = match signers {
        [] => "signature     NOT VERIFIED: anybody may have written this\n".to_owned(),
        ids => ids.iter().map(|id| format!("signed by     {id}\n")).collect(),
    };
    let people = match &receipt.second_person {
        Some(second) => format!("{} and {second}", receipt.operator),
        None => receipt.operator.clone(),
    };
    let mut text = format!(
        "{signed}seal          {}\nstream        {}, epoch {}, sequence {}\nimported      {} to {}\n\
         by            {} at {}\n",
        receipt.seal,
        receipt.stream.as_str(),
        receipt.epoch,
        receipt.sequence,
        receipt.finished,
        receipt.target,
        escaped(&people),
        escaped(&receipt.host),
    );
    for it in &receipt.overrides {
        text += &format!("override      {}\n", override_word(it));
    }
    if let Some(reason) = &receipt.reason {
        text += &format!("reason        {}\n", escaped(reason));
    }
    for image in &receipt.images {
        text += &format!("{:<8} {}  {}\n", word(image.outcome), image.digest, image.target);
    }
    let (blobs, size) = (count(receipt.blobs, "blob"), bytes(receipt.bytes));
    text + &format!("{}, {blobs} of {size} sent\n", count(receipt.images.len(), "image"))
}
