//! `gapferry drill`: proves that an archive restores, and leaves a record of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::audit::{LogArgs, Run, fact, keys, paths};
use super::bundles::{BundleArgs, TrustArgs, timestamp};
use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::{bytes, count, escaped};
use super::signers::SignerArgs;
use super::space::SpaceArgs;
use crate::audit::Facts;
use crate::drill::{self, DrillError, Outcome, Record, Scratch, Sealed, Seconds, Times};
use crate::files::{self, FileError};
use crate::import::ImportError;
use crate::oci::Digest;
use crate::trust::Signer;
use crate::verify::{self, Restore, Site, VerifiedBundle};

const EXAMPLES: &str = "\
EXAMPLES:
  The quarterly drill, with a record that is signed:
    gapferry drill /archive/2026-11/bundle.tar --to /scratch/drill --trust release.key.pub \\
      --key auditor.key --record drills/2026-11.txt
  To look at what was restored, afterwards:
    gapferry drill bundle --to scratch --keep --trust release.key.pub
  Who signed the record, without gapferry:
    openssl pkeyutl -verify -pubin -inkey auditor.key.pub -rawin -in RECORD -sigfile RECORD.*.sig";

/// Prove that a bundle restores: load it, read all of it back, leave a record
///
/// The bundle is verified, every image is restored to an OCI layout, and every blob and manifest is
/// read back from there and held against its digest. What this site remembers of its imports is not
/// changed. The record says what was found, also when the drill fails.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
// A key need not be given: BUNDLE stands in for the other way of signing.
#[command(mut_arg("key", |key| key.required_unless_present("places")))]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Restore to this directory, which must be absent or empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Keep what was restored; without, it stays only when the drill fails
    #[arg(long)]
    keep: bool,
    /// Where to leave the record [default: drill-<first digits of the seal>.txt beside DIR]
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    #[command(flatten)]
    signers: SignerArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    space: SpaceArgs,
    /// How many blobs are restored and read at once
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

/// How a drill went, as far as it came.
struct Course {
    seal: Option<Digest>,
    sealed: Option<Sealed>,
    times: Times,
}

/// Does it.
///
/// # Errors
/// Whatever keeps the bundle from being restored, with the code that an import would give.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let signers = args.signers.signers(context)?;
    let facts = Facts::from([
        ("bundle".to_owned(), paths(&args.bundle.places)),
        ("keys".to_owned(), keys(&signers)),
        ("to".to_owned(), fact(&args.to.to_string_lossy())),
    ]);
    let mut run = args.log.begin(&args.trust.state, "drill", facts, context)?;
    let done = logged(&args, &signers, &mut run, context);
    if done.is_err() {
        run.note_found(&args.bundle.places);
    }
    run.end(done, &signers)
}

fn logged(
    args: &Args,
    signers: &[Box<dyn Signer>],
    run: &mut Run<'_>,
    context: &Context,
) -> Result<(), Failure> {
    let memory = args.trust.state.memory(context)?;
    let site = Site { memory, restore: Restore::Look, ..args.trust.site(context)? };
    let seal = args.bundle.places.iter().find_map(|place| verify::seal(place).ok());
    let seal = seal.map(|(digest, _)| digest);
    let place = free(args.place(seal.as_ref()))?;
    let scratch = Scratch::new(&args.to)?;
    let mut course = Course { seal, sealed: None, times: Times::default() };
    let started = timestamp(context.now())?;
    let restored = drilled(args, &site, &scratch, &mut course, context);
    if restored.as_ref().is_err_and(|failure| failure.exit == Exit::Usage) {
        scratch.remove()?;
        return restored;
    }
    if let Some(sealed) = &course.sealed {
        run.note("seal", course.seal.map(|it| it.to_string()));
        run.note("stream", sealed.stream.as_str());
        run.note("sequence", sealed.sequence);
    }
    run.note("record", fact(&place.to_string_lossy()));
    let record = Record {
        version: env!("CARGO_PKG_VERSION").parse().expect("the package's version"),
        seal: course.seal,
        sealed: course.sealed,
        started,
        finished: timestamp(context.now())?,
        times: course.times,
        outcome: outcome(&restored),
    };
    let keep = if restored.is_ok() { args.keep } else { record.times.restore.is_some() };
    let removed = if keep { Ok(()) } else { scratch.remove() };
    let signatures = left(&record, &place, signers, &restored, context)?;
    restored.map_err(|failure| failure.and_hint(&stays(&place, keep.then_some(&args.to))))?;
    removed?;
    print(args, &record, &place, &signatures, context)
}

/// The place of a record that is to be written; asked for before the work, which may take hours.
fn free(place: PathBuf) -> Result<PathBuf, Failure> {
    let parent = files::parent(&place);
    std::fs::read_dir(&parent).map_err(|error| FileError::io("list", &parent, error))?;
    match place.symlink_metadata() {
        Err(_) => Ok(place),
        Ok(_) => Err(Failure::from(DrillError::Exists { path: place })
            .hint("gapferry overwrites nothing: move the record, or give --record FILE")),
    }
}

/// Verifies, restores and reads back.
fn drilled(
    args: &Args,
    site: &Site,
    scratch: &Scratch,
    course: &mut Course,
    context: &Context,
) -> Result<(), Failure> {
    let (store, jobs, progress) = (scratch.path(), args.jobs.into(), context.progress());
    let begin = Instant::now();
    let clock = || begin.elapsed();
    let mut sealed = (course.seal, None);
    let verified = timed(&clock, &mut course.times.verify, || {
        let bundle = args.trust.verify_at(&args.bundle.places, site, context)?;
        sealed = (Some(bundle.get().seal_digest()), Some(Sealed::of(&bundle)));
        super::verify::prove_blobs(bundle.get(), context)?;
        Ok::<_, Failure>(bundle)
    });
    (course.seal, course.sealed) = sealed;
    let bundle = verified?;
    let content = bundle.get().content(bundle.get().images());
    args.space.layout(store, &content)?;
    let named = |error| explained(error, &bundle);
    let times = &mut course.times;
    timed(&clock, &mut times.restore, || drill::restore(&bundle, store, jobs, progress))
        .map_err(named)?;
    timed(&clock, &mut times.read_back, || drill::read_back(&bundle, store, jobs, progress))
        .map_err(named)
}

/// Does `work` and notes how long it took.
fn timed<T>(
    clock: &dyn Fn() -> Duration,
    took: &mut Option<Seconds>,
    work: impl FnOnce() -> T,
) -> T {
    let before = clock();
    let result = work();
    *took = Some(clock().saturating_sub(before).into());
    result
}

fn explained(error: DrillError, bundle: &VerifiedBundle) -> Failure {
    match error {
        DrillError::Import(error) => match *error {
            ImportError::Verify(error) => super::verify::explained(error, bundle.get()),
            error => error.into(),
        },
        error => error.into(),
    }
}

fn outcome(restored: &Result<(), Failure>) -> Outcome {
    match restored {
        Ok(()) => Outcome::Restored,
        Err(failure) => Outcome::Failed(failure.code.parse().expect("codes are plain words")),
    }
}

/// Leaves the record and its signatures; without signatures when they cannot be made.
fn left(
    record: &Record,
    place: &Path,
    signers: &[Box<dyn Signer>],
    restored: &Result<(), Failure>,
    context: &Context,
) -> Result<Vec<PathBuf>, Failure> {
    let error = match drill::write(record, place, signers) {
        Ok(signatures) => return Ok(signatures),
        Err(error @ DrillError::Sign(_)) => {
            drill::write(record, place, &[])?;
            Failure::from(error).and_hint("the record is left without signatures")
        }
        Err(error) => error.into(),
    };
    match restored {
        Ok(()) => Err(error),
        // What the drill failed of is said last, and counts.
        Err(_) => {
            error.warn("also", context);
            Ok(Vec::new())
        }
    }
}

/// What is there after a drill that failed.
fn stays(record: &Path, store: Option<&PathBuf>) -> String {
    let store = store.map(|store| format!("; what was restored stays in {}", store.display()));
    format!("the record is {}{}", record.display(), store.unwrap_or_default())
}

impl Args {
    /// Where the record goes.
    fn place(&self, seal: Option<&Digest>) -> PathBuf {
        let prefix = seal.map_or("unknown".to_owned(), |digest| digest.hex()[..12].to_owned());
        let beside = || files::parent(&self.to).join(format!("drill-{prefix}.txt"));
        self.record.clone().unwrap_or_else(beside)
    }
}

fn print(
    args: &Args,
    record: &Record,
    place: &Path,
    signatures: &[PathBuf],
    context: &Context,
) -> Result<(), Failure> {
    let Some(Sealed { tally, .. }) = &record.sealed else { return Ok(()) };
    let times = &record.times;
    let took = |time: Option<Seconds>| time.map(|time| time.to_string()).unwrap_or_default();
    let times = [times.verify, times.restore, times.read_back].map(took);
    if context.json() {
        return context.print_json(&json!({
            "result": record.outcome.to_string(),
            "seal": record.seal,
            "images": tally.images,
            "documents": tally.documents,
            "blobs": tally.blobs,
            "bytes": tally.bytes,
            "seconds": {"verify": times[0], "restore": times[1], "readBack": times[2]},
            "record": place.to_string_lossy(),
            "signatures": signatures.iter().map(|it| it.to_string_lossy()).collect::<Vec<_>>(),
            "kept": args.keep,
            "memory": {"noted": false},
        }));
    }
    let kept = match args.keep {
        true => format!("kept    {}\n", escaped(&args.to.to_string_lossy())),
        false => String::new(),
    };
    let shown = |word: &str, path: &Path| format!("{word} {}\n", escaped(&path.to_string_lossy()));
    let signed: String = signatures.iter().map(|path| shown("signed ", path)).collect();
    context.print(&format!(
        "restored and read back: {}, {}, {}, {}\n\
         verify {} s, restore {} s, read back {} s\n{}{signed}{kept}\
         a drill is no import: the memory of this site is as it was\n",
        count(tally.images, "image"),
        count(tally.documents, "document"),
        count(tally.blobs, "blob"),
        bytes(tally.bytes),
        times[0],
        times[1],
        times[2],
        shown("record ", place),
    ))
}
