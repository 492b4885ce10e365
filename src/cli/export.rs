//! `gapferry export`: writes images to a signed bundle.

mod spread;
mod told;

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::args::RegistryArgs;
use super::audit::{LogArgs, Run, fact, facts, keys, paths};
use super::bundles::{PackagingArgs, timestamp};
use super::change::ChangeArgs;
use super::context::Context;
use super::failure::{Exit, Failure};
use super::images::{ImageArgs, Pinned, partial, read_lock};
use super::media::{self, Labels};
use super::policy::PolicyArgs;
use super::receipt;
use super::record::{self, RecordArgs};
use super::registries;
use super::signers::SignerArgs;
use super::space::{Needs, SpaceArgs};
use super::state::StateArgs;
use crate::audit::Facts;
use crate::bundle::{Medium, Name, Piece, Spread};
use crate::export::{self, Bases, Journal, Order, PackMode, Summary};
use crate::files;
use crate::oci::{Digest, PinnedImage};
use crate::select::Lock;
use crate::source::Opener;
use crate::trust::{Chain, Keyring, Signer, read_papers};
use crate::verify::{self, Anchor, Site};

const EXAMPLES: &str = "\
EXAMPLES:
  Everything that a reviewed lock names, to a stick:
    gapferry export --lock images.lock -o /media/stick/bundle --key release.key
  One archive, which podman and docker load too:
    gapferry export busybox:1.35 -o busybox.tar --key release.key --store-layers
  Volumes that fit FAT32, for one site and for 90 days:
    gapferry export -f images.txt -o out --volume-size 4GiB --key release.key \\
      --destination plant-7 --expires 90d
  Onto three sticks at once, as much to each as it holds, read back from them:
    gapferry export --lock images.lock --media /media/a,/media/b,/media/c --scratch /var/tmp \
      --key release.key --read-back
  Onto three sticks, one after the other in one drive, asking for each:
    gapferry export --lock images.lock --media /media/stick --media-count 3 --scratch /var/tmp \
      --key release.key --read-back
  What the site does not have since the last bundle, as small as it gets:
    gapferry export -f images.txt -o june --key release.key --since may --pack always
  Only what a site's policy lets through:
    gapferry export --lock images.lock -o out --key release.key --policy site.toml
  With a tenth more, to repair bad sectors; or with what any one volume holds:
    gapferry export --lock images.lock -o out --key release.key --parity 10%
    gapferry export --lock images.lock -o out --key release.key --volume-size --parity-volumes 1
  Signed by a key that ssh-agent holds, and by one in a hardware module:
    gapferry export --lock images.lock -o out --key ~/.ssh/id_ed25519.pub \\
      --signer-command 'hsm.pub=hsm-sign --slot 1'
  For a site that accepted trust documents:
    gapferry export --lock images.lock -o out --stream prod --key ann.key --trust-documents trust";

/// Write images to a signed bundle
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    images: ImageArgs,
    /// Carry exactly what this lock names
    #[arg(long, value_name = "FILE", conflicts_with_all = ["images", "lists", "platform", "referrers", "no_referrers"])]
    lock: Option<PathBuf>,
    #[command(flatten)]
    packaging: PackagingArgs,
    #[command(flatten)]
    change: ChangeArgs,
    /// The line of bundles that this one continues
    #[arg(long, value_name = "NAME", default_value = "default")]
    stream: Name,
    /// The number of this bundle in its stream; must go up. The time in seconds unless given
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,
    /// Which counting of sequence numbers; sites take a higher one only when a trust document says so
    #[arg(long, value_name = "N", default_value_t = 1)]
    epoch: u64,
    /// The bundle before this one in the stream, or its seal: a site that did not import it says so
    #[arg(long, value_name = "SEAL-OR-BUNDLE")]
    previous: Option<PathBuf>,
    /// Refuse the bundle after this time: 90d, 12h, or 2027-02-20T10:00:00Z
    #[arg(long, value_name = "WHEN")]
    expires: Option<Expiry>,
    /// The only site that may import the bundle
    #[arg(long, value_name = "NAME")]
    destination: Option<Name>,
    /// Send the signed trust documents in this directory along; only keys that may seal the stream
    /// sign
    #[arg(long, value_name = "DIR")]
    trust_documents: Option<PathBuf>,
    /// Which layers are opened and packed: those that share content with what is aboard or at the
    /// destination (auto), all (always), or none (never)
    #[arg(long, value_name = "WHICH", default_value = "auto")]
    pack: Pack,
    /// Keep every layer a plain blob, which other tools read: the same as --pack never
    #[arg(long, conflicts_with = "pack")]
    store_layers: bool,
    /// How hard zstd works on packs
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    /// Leave out what this bundle brought to the destination; its head files are enough. With the
    /// receipt of its import, which names what came of it, only if all of it is there (repeatable)
    #[arg(long, value_name = "BUNDLE|RECEIPT")]
    since: Vec<PathBuf>,
    /// Believe receipts in --since that this public key of the site signed (repeatable)
    #[arg(long, value_name = "PUBLIC-KEY")]
    receipt_trust: Vec<PathBuf>,
    /// Hold layers here while they are worked on; beside the bundle unless given
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Read the whole bundle back from the medium and verify it
    #[arg(long)]
    read_back: bool,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on with the images that the interrupted export had found, though their tags have moved
    #[arg(long, conflicts_with = "lock")]
    resume: bool,
    /// Give up what an interrupted export left at OUT, and begin anew
    #[arg(long, conflicts_with_all = ["resume", "dry_run"])]
    restart: bool,
    #[command(flatten)]
    space: SpaceArgs,
    #[command(flatten)]
    signers: SignerArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    record: RecordArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    registries: RegistryArgs,
}

/// Which layers are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Pack {
    Auto,
    Always,
    Never,
}

/// When a bundle expires.
#[derive(Debug, Clone, Copy)]
enum Expiry {
    After(u64),
    At(crate::bundle::Timestamp),
}

impl std::str::FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Expiry, String> {
        if let Ok(time) = text.parse() {
            return Ok(Expiry::At(time));
        }
        let wrong = || "expected 90d, 12h or 2027-02-20T10:00:00Z".to_owned();
        let unit = match text.chars().last() {
            Some('d') => 86_400,
            Some('h') => 3_600,
            _ => return Err(wrong()),
        };
        let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        count.checked_mul(unit).filter(|span| *span > 0).map(Expiry::After).ok_or_else(wrong)
    }
}

impl Args {
    /// The bundle's place in its stream.
    fn place(&self, now: u64) -> String {
        let (stream, sequence) = (self.stream.as_str(), self.sequence.unwrap_or(now));
        format!("{stream}/{sequence}")
    }

    /// What is asked for, for the log.
    fn facts(&self, signers: &[Box<dyn Signer>]) -> Facts {
        let files = [&self.lock, &self.policy.policy, &self.trust_documents];
        let names = ["lock", "policy", "trust-documents"].map(str::to_owned);
        let files = names
            .into_iter()
            .zip(files)
            .filter_map(|(name, path)| Some((name, fact(&path.as_ref()?.to_string_lossy()))));
        let to = self.destination.as_ref().map_or("any", Name::as_str);
        let all = [
            ("destination".to_owned(), fact(to)),
            ("images".to_owned(), facts(&self.images.images)),
            ("keys".to_owned(), keys(signers)),
            ("lists".to_owned(), paths(self.images.lists.iter().map(|list| &list.path))),
            ("out".to_owned(), paths(&self.packaging.places())),
            ("since".to_owned(), paths(&self.since)),
            ("stream".to_owned(), fact(self.stream.as_str())),
        ];
        all.into_iter().chain(files).collect()
    }

    fn pack_mode(&self) -> PackMode {
        match (self.store_layers, self.pack) {
            (true, _) | (_, Pack::Never) => PackMode::Never,
            (_, Pack::Auto) => PackMode::Auto,
            (_, Pack::Always) => PackMode::Always,
        }
    }

    /// What it needs of the places that it writes to.
    fn needs<'a>(&'a self, bases: &'a Bases, spread: Option<&'a Spread>) -> Needs<'a> {
        Needs {
            out: self.packaging.out(),
            packaging: self.packaging.packaging(),
            spread,
            in_turn: self.change.media_count.is_some(),
            pack: self.pack_mode(),
            bases,
            scratch: self.scratch.as_deref(),
            jobs: self.registries.jobs.into(),
            journal: None,
        }
    }
}

/// Does it.
///
/// # Errors
/// When an image cannot be had, or the bundle cannot be written.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    args.change.check(args.packaging.media.len(), context)?;
    let signers = args.signers.signers(context)?;
    let log = if args.dry_run { &LogArgs::none() } else { &args.log };
    let mut run = log.begin(&args.state, "export", args.facts(&signers), context)?;
    let done = exported(&args, &signers, &mut run, context);
    run.end(done, &signers)
}

fn exported(
    args: &Args,
    signers: &[Box<dyn Signer>],
    run: &mut Run<'_>,
    context: &Context,
) -> Result<(), Failure> {
    let gate = args.policy.gate(args.registries.jobs, context)?;
    let client = registries::client(&args.registries, context)?;
    let opener = Opener::new(client).with_foreign_layers(args.images.foreign_layers);
    let jobs = usize::from(args.registries.jobs);
    let journal = unfinished(args)?;
    let pinned = pinned(args, &opener, journal.as_ref(), context)?;
    let images = pinned.lock.into_images();
    moved(&images, journal.as_ref())?;
    context.progress().begin("fetching manifests", 0);
    let documents = export::fetch_documents(&images, &opener, journal.as_ref(), jobs)?;
    context.progress().end();
    let plan = export::plan(images, documents)?;
    gate.at_source(&plan.images, &plan.documents, &opener, args.lock.is_none())?;
    let now = begun(journal.as_ref(), context)?;
    let said = args.record.said(&args.place(now))?;
    gate.record(said.as_ref())?;
    let bases = receipt::bases(&args.since, &args.receipt_trust)?;
    let spread = spread::spread(args, &plan, journal.as_ref(), now)?;
    let needs = Needs { journal: journal.as_ref(), ..args.needs(&bases, spread.as_ref()) };
    args.space.export(&plan, &needs, context)?;
    if args.dry_run {
        told::print_plan(args, &plan, &needs, context)?;
        return partial(&pinned.failures, context);
    }
    let chain = chain(args)?;
    let read = (&opener, jobs);
    let complete = |said| record::complete(said, &plan, &gate, read, run.state(), context);
    let record = said.map(complete).transpose()?;
    let trusted = (&bases, chain.as_ref());
    let order = order(args, signers, trusted, spread.as_ref(), now)?;
    let order = Order { record: record.as_ref(), ..order };
    let out = args.packaging.out();
    let resumed = journal.is_some();
    let summary = match (&spread, args.change.media_count) {
        (Some(it), Some(_)) => spread::write_in_turn(args, &plan, &opener, (&order, it), context)?,
        _ => {
            let summary = export::write(&plan, &opener, out, &order, journal, context.progress());
            summary.map_err(|error| stays(error.into(), args))?
        }
    };
    run.note("seal", summary.seal_digest.to_string());
    run.note("sequence", summary.seal.sequence);
    run.note("bytes", summary.seal.bytes);
    run.note("images", facts(plan.images.iter().map(|it| format!("{} {}", it.digest, it.name))));
    let labels = check(args, signers, (&order, &summary), resumed, context)?;
    let parity = args.packaging.protect(context)?;
    told::print_summary(args, (&plan, &summary), (&labels, parity.as_ref()), context)?;
    partial(&pinned.failures, context)
}

/// What an interrupted export left, unless it is to be given up.
fn unfinished(args: &Args) -> Result<Option<Journal>, Failure> {
    let packaging = args.packaging.packaging();
    let in_turn = args.change.media_count.is_some();
    if in_turn && (args.resume || args.restart) {
        let message = "an export to media that are changed cannot be gone on with";
        let failure = Failure::new(Exit::Usage, "usage", message);
        return Err(failure.hint("empty the media that were written, and begin anew"));
    }
    if args.dry_run || in_turn {
        return Ok(None);
    }
    if args.restart {
        Journal::discard(&args.packaging.places(), packaging)?;
    }
    Ok(Journal::find(args.packaging.out(), packaging)?)
}

/// Tags that name something else than they did when the export was begun.
fn moved(images: &[PinnedImage], journal: Option<&Journal>) -> Result<(), Failure> {
    let Some(begun) = journal.map(Journal::begun) else { return Ok(()) };
    let before = |name| begun.images.iter().find(|image| image.name == name);
    let moved = images.iter().filter(|image| {
        before(image.name.clone()).is_some_and(|before| before.digest != image.digest)
    });
    let moved: Vec<String> = moved.map(|image| image.name.to_string()).collect();
    match moved.is_empty() {
        true => Ok(()),
        false => {
            let message =
                format!("since the export was begun, these have moved: {}", moved.join(", "));
            let failure = Failure::new(Exit::Usage, "moved", message);
            Err(failure.hint("--resume goes on with what they were, --restart begins anew"))
        }
    }
}

/// Says that what was written is not lost.
fn stays(failure: Failure, args: &Args) -> Failure {
    let journal = Journal::place(args.packaging.out(), args.packaging.packaging());
    match journal.exists() && failure.code != "other-export" {
        true => failure.and_hint("what was written stays: the same command goes on with it"),
        false => failure,
    }
}

fn pinned(
    args: &Args,
    opener: &Opener,
    journal: Option<&Journal>,
    context: &Context,
) -> Result<Pinned, Failure> {
    if let Some(journal) = journal.filter(|_| args.resume) {
        let lock = Lock::new(journal.begun().images.clone())?;
        return Ok(Pinned { lock, failures: Vec::new() });
    }
    match &args.lock {
        Some(path) => Ok(Pinned { lock: read_lock(path)?, failures: Vec::new() }),
        None => args.images.pin(opener, args.registries.jobs.into(), context),
    }
}

/// The maker's trust documents. One that lacks signatures is none.
fn chain(args: &Args) -> Result<Option<Chain>, Failure> {
    let Some(directory) = &args.trust_documents else { return Ok(None) };
    let chain = read_papers(directory).and_then(Chain::load);
    chain.map(Some).map_err(|error| Failure::from(error).at(directory.display()))
}

/// When the export was begun.
fn begun(journal: Option<&Journal>, context: &Context) -> Result<u64, Failure> {
    let now = context.signing_time()?;
    // An export that goes on ends with the bytes that it would have had. A time to come is no time
    // at which anything was begun.
    let begun = journal.map(|journal| journal.begun().created);
    Ok(begun.filter(|begun| *begun <= now).unwrap_or(now))
}

fn order<'a>(
    args: &'a Args,
    signers: &'a [Box<dyn Signer>],
    (bases, chain): (&'a Bases, Option<&'a Chain>),
    spread: Option<&'a Spread>,
    now: u64,
) -> Result<Order<'a>, Failure> {
    let expires = match args.expires {
        None => None,
        Some(Expiry::At(time)) => Some(time),
        Some(Expiry::After(span)) => Some(timestamp(now.saturating_add(span))?),
    };
    let created = timestamp(now)?;
    if expires.is_some_and(|expires| expires <= created) {
        return Err(Failure::new(
            Exit::Usage,
            "expired",
            "the bundle would expire before it is made",
        ));
    }
    let sequence = args.sequence.unwrap_or(now);
    Ok(Order {
        packaging: args.packaging.packaging(),
        spread,
        stream: args.stream.clone(),
        epoch: args.epoch,
        chain,
        sequence,
        previous: previous(args, sequence)?,
        record: None,
        created,
        expires,
        destination: args.destination.clone(),
        pack: args.pack_mode(),
        level: args.level,
        bases,
        scratch: args.scratch.as_deref(),
        signers,
        jobs: args.registries.jobs.into(),
    })
}

/// The seal before this one. What it says is not proven; it must be of this stream, and lower.
fn previous(args: &Args, sequence: u64) -> Result<Option<Digest>, Failure> {
    let Some(place) = &args.previous else { return Ok(None) };
    let failed = |failure: Failure| failure.at(place.display());
    let (digest, seal) = verify::seal(place).map_err(|error| failed(error.into()))?;
    if seal.stream == args.stream && (seal.epoch, seal.sequence) < (args.epoch, sequence) {
        return Ok(Some(digest));
    }
    let (stream, epoch, last) = (seal.stream.as_str(), seal.epoch, seal.sequence);
    let message = format!("it is of the stream `{stream}`, epoch {epoch}, sequence {last}");
    let failure = Failure::new(Exit::Usage, "not-previous", message);
    Err(failed(failure).hint("the new bundle must be of the same stream, with a higher --sequence"))
}

/// Verifies what was written as its receiver will: always the head files and the manifests, and
/// the blobs on demand, or when some were written by an earlier run. Which volumes lie on which medium.
fn check(
    args: &Args,
    signers: &[Box<dyn Signer>],
    (order, summary): (&Order<'_>, &Summary),
    resumed: bool,
    context: &Context,
) -> Result<Labels, Failure> {
    let keys: Vec<_> = signers.iter().map(|signer| signer.public().clone()).collect();
    let epoch = Some(summary.seal.epoch);
    let site = Site { name: args.destination.clone(), epoch, ..Site::at(order.created) };
    let written = args.packaging.places();
    if args.read_back {
        forget(&Medium::gather(&written)?)?;
    }
    let known = order.chain.map_or(0, |chain| chain.newest().number.into());
    let anchor = Anchor::Keys { keys: Keyring::of_all(keys)?, known };
    if args.change.media_count.is_some() {
        // The other media are not there.
        let last = verify::outline(&written, Some((&anchor, &site)))
            .map_err(|error| Failure::from(error).at("the last medium"))?;
        if args.read_back {
            media::prove_alone(args.packaging.out(), Some(&last.sums))?;
        }
        return Ok(Labels::new());
    }
    let bundle = verify::verify(&written, &anchor, &site)
        .map_err(|error| Failure::from(error).at("the bundle just written"))?;
    // What a journal says was written before is as good as the medium that it lay on.
    if args.read_back || resumed {
        super::verify::prove(bundle.get(), context)?;
    }
    if args.read_back {
        media::read_back(&args.packaging, bundle.get())?;
    }
    Ok(media::labels(&args.packaging, bundle.get().medium()))
}

/// What is proven next is to come from the medium, and not from what the system has in memory.
fn forget(medium: &Medium) -> Result<(), Failure> {
    let written: BTreeSet<PathBuf> =
        medium.paths().filter_map(|path| medium.get(path)).map(Piece::file).collect();
    Ok(written.iter().try_for_each(|file| files::forget_written(file))?)
}
