//! `gapferry import`: loads a verified bundle into a registry or a layout.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::args::RegistryArgs;
use super::audit::{LogArgs, Run, fact, facts, host, paths, said};
use super::bundles::{BundleArgs, TrustArgs, timestamp};
use super::context::Context;
use super::damage;
use super::failure::Failure;
use super::mapping::MappingArgs;
use super::output::{bytes, count, escaped};
use super::policy::{Aboard, PolicyArgs};
use super::receipt::{Desk, ReceiptArgs};
use super::registries;
use super::space::SpaceArgs;
use super::targets::{Opened, To};
use super::verify::skipped;
use crate::audit::{Checkpoint, Facts};
use crate::bundle::Timestamp;
use crate::import::{self, ImportError, Journal, Outcome, Plan, PlannedImage, Summary};
use crate::memory::{Memory, Place};
use crate::oci::{PinnedImage, Reference};
use crate::receipt::{self, Circumstances, Override};
use crate::target::Target;
use crate::verify::{Contents, Restore, Site, VerifiedBundle};

const EXAMPLES: &str = "\
EXAMPLES:
  Into the site's registry, below a project:
    gapferry import /media/stick/bundle --trust release.key.pub --to docker://registry.site:5000/mirror
  Into an OCI layout in a directory:
    gapferry import bundle.tar --trust release.key.pub --to oci:/srv/images
  Only if a site's policy is met:
    gapferry import bundle.tar --trust release.key.pub --policy site.toml --to oci:/srv/images
  Under other names:
    gapferry import bundle.tar --trust release.key.pub --to docker://registry.site \\
      --map docker.io/library=base --map quay.io=quay
  What is whole of a bundle that is damaged, or of which a volume is missing:
    gapferry import /media/stick --trust release.key.pub --to oci:/srv/images --keep-going
  With the registry that each came from in its name, and a tag of the site; see first what goes where:
    gapferry import bundle.tar --trust release.key.pub --to docker://registry.site/mirror \\
      --keep-host --tag-suffix -site1 --dry-run
  With a receipt on the medium, which goes back:
    gapferry import /media/stick/bundle --trust release.key.pub --to docker://registry.site \\
      --receipt medium --receipt-key site.key
  As one file that docker and podman load, or for a k3s node to find when it starts:
    gapferry import bundle.tar --trust release.key.pub --to docker-archive:images.tar
    gapferry import bundle.tar --trust release.key.pub --to k3s
  Into the storage of docker's registry while that is stopped:
    gapferry import bundle.tar --trust release.key.pub --to docker-registry-storage:/var/lib/registry
  An older bundle, after the registry was lost:
    gapferry import may.tar --trust release.key.pub --to docker://new.site:5000 --restore";

/// Verify a bundle and load its images into a registry or a layout
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Where to: docker://HOST[:PORT][/PREFIX] (or registry://), oci:DIR, oci-archive:FILE,
    /// docker-archive:FILE, k3s[:DIR], ctr[:NAMESPACE[@SOCKET]], or docker-registry-storage:DIR
    #[arg(long, value_name = "TARGET")]
    to: To,
    #[command(flatten)]
    names: MappingArgs,
    /// Only this image, by its name in the bundle (repeatable)
    #[arg(long, value_name = "NAME")]
    image: Vec<Reference>,
    /// Go on when an image is damaged or incomplete in the bundle, or the target refuses it: load the
    /// images that are whole, exit with 5 and list the others
    #[arg(long)]
    keep_going: bool,
    /// Verify the bundle and say what would go where; load nothing
    #[arg(long)]
    dry_run: bool,
    /// Take a bundle that is older than what was imported, into a target that has nothing newer of its
    /// stream
    #[arg(long)]
    restore: bool,
    #[command(flatten)]
    space: SpaceArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    receipt: ReceiptArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    registries: RegistryArgs,
}

/// Does it.
///
/// # Errors
/// Whatever is wrong with the bundle, or with the target.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let log = if args.dry_run { &LogArgs::none() } else { &args.log };
    let mut run = log.begin(&args.trust.state, "import", args.facts(), context)?;
    let desk = args.receipt.desk(&args.bundle.places, context);
    let (done, signers) = match desk {
        Err(failure) => (Err(failure), Vec::new()),
        Ok(desk) => {
            let done = imported(&args, desk.as_ref(), &mut run, context);
            (done, desk.map_or_else(Vec::new, |desk| desk.signers))
        }
    };
    if done.is_err() {
        run.note_found(&args.bundle.places);
    }
    run.end(done, &signers)
}

fn imported(
    args: &Args,
    desk: Option<&Desk>,
    run: &mut Run<'_>,
    context: &Context,
) -> Result<(), Failure> {
    let started = timestamp(context.now())?;
    let gate = args.policy.gate(args.registries.jobs, context)?;
    let place = args.place();
    // Held from before the first look until the end: of two imports at once, one is refused.
    let mut held = (!args.dry_run).then(|| args.trust.state.hold(context)).transpose()?;
    let memory = match &held {
        Some(held) => held.memory().clone(),
        None => args.trust.state.memory(context)?,
    };
    let restore = if args.restore { Restore::To(place.clone()) } else { Restore::No };
    let site = Site { memory, restore, ..args.trust.site(context)? };
    let bundle = args.verified(&site, context)?;
    run.note_bundle(&bundle);
    let plan = import::plan(
        chosen(bundle.get(), &args.image)?,
        &bundle.get().catalog().homes,
        &args.names.mapping(&args.to)?,
    )?;
    let open = || args.existing_target(context);
    let aboard = Aboard::new(bundle.get()).with_target(&plan, &open);
    gate.record(bundle.get().lading().record())?;
    // What is lost is neither judged nor loaded.
    let losses = bundle.get().losses(&import::gaps(bundle.get()));
    let is_whole = |image: &&PinnedImage| losses.whole.iter().any(|it| it.name == image.name);
    let whole = || plan.images.iter().map(|planned| planned.image).filter(is_whole);
    gate.aboard(whole(), &aboard)?;
    let Some(held) = &mut held else {
        damage::prove(&mut args.verified(&site, context)?.into_inner(), false, context)?;
        return print_plan(&plan, context);
    };
    args.to.check_space(&args.space, &bundle.get().content(whole()))?;
    let journal = args.journal(bundle.get(), &place, context)?;
    let target = args.target(bundle.get(), journal.clone(), context)?;
    let jobs = usize::from(args.registries.jobs);
    let summary =
        import::run(&bundle, &plan, target.target(), jobs, args.keep_going, context.progress());
    let summary = target.finish(summary.map_err(|error| match error {
        ImportError::Verify(error) => super::verify::explained(error, bundle.get()),
        error => error.into(),
    }))?;
    run.note("images", listed(&summary));
    if let Some(desk) = desk.filter(|_| !args.dry_run) {
        let log = run.state();
        let circumstances = args.circumstances((place.clone(), started, log), context)?;
        let receipt = receipt::receipt(&bundle, &plan, &summary, &site.memory, circumstances);
        desk.leave(&receipt)?;
        run.note("receipt", fact(&desk.place().to_string_lossy()));
    }
    if summary.is_whole() {
        journal.map_or(Ok(()), |journal| journal.remove())?;
        args.trust.remember(bundle.get(), held, site.now, context)?;
    }
    let noted = import::remember(held, &bundle, &summary, &place, site.now).map_err(|error| {
        Failure::from(error).hint("the images are loaded; run it again, so that it is remembered")
    })?;
    let receipt = desk.map(Desk::place);
    let memory = Remembered { before: &site.memory, now: held.memory(), noted, receipt };
    print_summary(summary, bundle.get(), &memory, context)
}

/// The memory before and after the import, and whether it got a line.
struct Remembered<'a> {
    before: &'a Memory,
    now: &'a Memory,
    noted: bool,
    /// The receipt that was left.
    receipt: Option<&'a Path>,
}

impl Args {
    /// The bundle, all of it; or what there is of it, if whole images are to be had out of that.
    fn verified(&self, site: &Site, context: &Context) -> Result<VerifiedBundle, Failure> {
        match self.keep_going {
            true => self.trust.verify_partly(&self.bundle.places, site, context),
            false => self.trust.verify_at(&self.bundle.places, site, context),
        }
    }

    /// What a receipt says besides.
    fn circumstances(
        &self,
        (target, started, log): (Place, Timestamp, Option<Checkpoint>),
        context: &Context,
    ) -> Result<Circumstances, Failure> {
        let asked = [
            (self.keep_going, Override::KeepGoing),
            (!self.image.is_empty(), Override::Only),
            (self.restore, Override::Restore),
        ];
        Ok(Circumstances {
            host: host(),
            operator: self.log.operator(context),
            second_person: self.receipt.second_person.clone(),
            started,
            finished: timestamp(context.now())?,
            threshold: self.trust.threshold as u64,
            target,
            overrides: asked.into_iter().filter_map(|(is, it)| is.then_some(it)).collect(),
            reason: self.receipt.reason.clone(),
            log,
        })
    }

    /// What is asked for, for the log.
    fn facts(&self) -> Facts {
        Facts::from([
            ("bundle".to_owned(), paths(&self.bundle.places)),
            ("only".to_owned(), facts(self.image.iter().map(ToString::to_string))),
            ("restore".to_owned(), self.restore.into()),
            ("keep-going".to_owned(), self.keep_going.into()),
            ("reason".to_owned(), said(&self.receipt.reason)),
            ("second-person".to_owned(), said(&self.receipt.second_person)),
            ("to".to_owned(), fact(self.place().as_str())),
        ])
    }

    /// The target as the memory names it.
    fn place(&self) -> Place {
        Place::new(&self.to.named(&self.names.whole_prefix(&self.to)))
    }

    /// The target for looking at, which makes nothing where there is nothing.
    fn existing_target(&self, context: &Context) -> Result<Option<Box<dyn Target>>, Failure> {
        self.to.existing(|| registries::client(&self.registries, context))
    }

    fn target(
        &self,
        contents: &Contents,
        journal: Option<Arc<Journal>>,
        context: &Context,
    ) -> Result<Opened, Failure> {
        let client = || registries::client(&self.registries, context);
        self.to.open(&contents.seal_digest(), journal, client)
    }

    /// Where an import into a registry notes its uploads; a layout holds what is staged itself.
    fn journal(
        &self,
        contents: &Contents,
        place: &Place,
        context: &Context,
    ) -> Result<Option<Arc<Journal>>, Failure> {
        if !matches!(self.to, To::Registry { .. }) {
            return Ok(None);
        }
        let state = self.trust.state.directory(context)?;
        Ok(Some(Arc::new(Journal::open(&state, contents.seal_digest(), place)?)))
    }
}

fn chosen<'a>(
    contents: &'a Contents,
    names: &[Reference],
) -> Result<Vec<&'a PinnedImage>, Failure> {
    if names.is_empty() {
        return Ok(contents.images().iter().collect());
    }
    let find = |name: &Reference| {
        let image = contents.images().iter().find(|image| image.name == *name);
        image.ok_or_else(|| Failure::from(ImportError::NotAboard(name.clone())))
    };
    names.iter().map(find).collect()
}

fn print_plan(plan: &Plan<'_>, context: &Context) -> Result<(), Failure> {
    if context.json() {
        let line = |it: &PlannedImage<'_>| {
            json!({
                "name": it.image.name, "target": it.target, "digest": it.image.digest,
                "rule": Some(&it.rule).filter(|rule| !rule.is_empty()),
            })
        };
        return context
            .print_json(&json!({"images": plan.images.iter().map(line).collect::<Vec<_>>()}));
    }
    let line = |it: &PlannedImage<'_>| match it.rule.as_str() {
        "" => format!("{} -> {}\n", it.image.name, it.target),
        rule => format!("{} -> {}  ({})\n", it.image.name, it.target, escaped(rule)),
    };
    context.print(&plan.images.iter().map(line).collect::<String>())?;
    context.print("the bundle is verified; nothing was loaded\n")
}

/// What became of each image, for the log.
fn listed(summary: &Summary) -> serde_json::Value {
    facts(
        summary
            .images
            .iter()
            .map(|(name, digest, outcome)| format!("{} {digest} {name}", word(outcome))),
    )
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Present => "present",
        Outcome::Loaded => "loaded",
        Outcome::Failed(_) => "failed",
    }
}

fn print_summary(
    summary: Summary,
    contents: &Contents,
    memory: &Remembered<'_>,
    context: &Context,
) -> Result<(), Failure> {
    let seal = contents.seal();
    match context.json() {
        true => context.print_json(&json!({
            "seal": contents.seal_digest(),
            "images": summary.images.iter().map(|(name, digest, outcome)| json!({
                "target": name, "digest": digest, "outcome": word(outcome),
            })).collect::<Vec<_>>(),
            "blobs": summary.blobs,
            "bytes": summary.bytes,
            "bytesFound": summary.found,
            "receipt": memory.receipt.map(|path| path.to_string_lossy()),
            "previousImported": memory.before.has_previous(seal),
            "memory": {"noted": memory.noted, "head": memory.now.head().hex()},
        }))?,
        false => {
            let head = format!("memory   {}\n", memory.now.head().hex());
            let head = if context.verbose() { head } else { String::new() };
            let receipt = memory.receipt.map(|path| escaped(&path.to_string_lossy()));
            let receipt = receipt.map_or(String::new(), |path| format!("receipt  {path}\n"));
            context.print(&(head + &skipped(seal, memory.before) + &table(&summary) + &receipt))?;
        }
    }
    let failures = summary.images.into_iter().filter_map(|(_, _, outcome)| match outcome {
        Outcome::Failed(error) => Some(Failure::from(*error)),
        _ => None,
    });
    let refused = summary.refused.into_iter().map(Failure::from);
    super::images::partial(&failures.chain(refused).collect::<Vec<_>>(), context)
}

fn table(summary: &Summary) -> String {
    let lines = summary.images.iter().map(|(name, digest, outcome)| match name.digest {
        Some(_) => format!("{:<8} {name}\n", word(outcome)),
        None => format!("{:<8} {name}  {digest}\n", word(outcome)),
    });
    let number = |wanted: &str| summary.images.iter().filter(|it| word(&it.2) == wanted).count();
    let last = match (number("loaded"), number("failed")) {
        (0, 0) => "already imported: all images are there\n".to_owned(),
        (loaded, _) => format!(
            "{} loaded, {} were there; {} sent, {}\n",
            count(loaded, "image"),
            number("present"),
            count(summary.blobs, "blob"),
            bytes(summary.bytes)
        ),
    };
    let found = match summary.found {
        0 => String::new(),
        found => format!("{} of that were there from an import before\n", bytes(found)),
    };
    lines.collect::<String>() + &last + &found
}
