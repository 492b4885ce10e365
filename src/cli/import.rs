//! `gapferry import`: loads a verified bundle into a registry or a layout.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::json;

use super::args::RegistryArgs;
use super::audit::{LogArgs, Run, fact, facts, host, paths, said};
use super::bundles::{BundleArgs, TrustArgs, timestamp};
use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::{bytes, count, escaped};
use super::policy::{Aboard, PolicyArgs};
use super::receipt::{Desk, ReceiptArgs};
use super::registries;
use super::space::SpaceArgs;
use super::verify::skipped;
use crate::audit::{Checkpoint, Facts};
use crate::bundle::Timestamp;
use crate::files;
use crate::import::{self, Base, ImportError, Mapping, Outcome, Plan, Rule, Summary};
use crate::memory::{Memory, Place};
use crate::oci::{PinnedImage, Reference, Repository};
use crate::receipt::{self, Circumstances, Override};
use crate::target::{LayoutTarget, RegistryTarget, Target};
use crate::verify::{Contents, Restore, Site};

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
  With a receipt on the medium, which goes back:
    gapferry import /media/stick/bundle --trust release.key.pub --to docker://registry.site \\
      --receipt medium --receipt-key site.key
  An older bundle, after the registry was lost:
    gapferry import may.tar --trust release.key.pub --to docker://new.site:5000 --restore";

/// Verify a bundle and load its images into a registry or a layout
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Where to: docker://HOST[:PORT][/PREFIX] (or registry://), or oci:DIR
    #[arg(long, value_name = "TARGET")]
    to: To,
    /// Put this path in front of every repository at the registry
    #[arg(long, value_name = "PATH")]
    prefix: Option<String>,
    /// Names that begin with FROM begin with TO at the target (repeatable; the longest FROM counts)
    #[arg(long, value_name = "FROM=TO")]
    map: Vec<Rule>,
    /// Only this image, by its name in the bundle (repeatable)
    #[arg(long, value_name = "NAME")]
    image: Vec<Reference>,
    /// Go on when the target refuses an image; exit with 5 and list what is missing
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

#[derive(Debug, Clone)]
enum To {
    Registry { host: String, prefix: String },
    Layout(PathBuf),
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<To, String> {
        if let Some(path) = text.strip_prefix("oci:").filter(|path| !path.is_empty()) {
            return Ok(To::Layout(PathBuf::from(path)));
        }
        let place = text.strip_prefix("docker://").or_else(|| text.strip_prefix("registry://"));
        let place = place.ok_or("expected docker://HOST[:PORT][/PREFIX] or oci:DIR")?;
        let (host, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = prefix.trim_matches('/');
        let sample = if prefix.is_empty() { "a" } else { prefix };
        Repository::new(host, sample).map_err(|error| error.to_string())?;
        Ok(To::Registry { host: host.to_owned(), prefix: prefix.to_owned() })
    }
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
    let bundle = args.trust.verify_at(&args.bundle.places, &site, context)?;
    run.note_bundle(&bundle);
    let plan = import::plan(
        chosen(bundle.get(), &args.image)?,
        &bundle.get().catalog().homes,
        &args.mapping()?,
    )?;
    let open = || args.existing_target(context);
    let aboard = Aboard::new(bundle.get()).with_target(&plan, &open);
    gate.record(bundle.get().lading().record())?;
    gate.aboard(plan.images.iter().map(|planned| planned.image), &aboard)?;
    let Some(held) = &mut held else {
        super::verify::prove(bundle.get(), context)?;
        return print_plan(&plan, context);
    };
    if let To::Layout(path) = &args.to {
        let images = plan.images.iter().map(|planned| planned.image);
        args.space.layout(path, &bundle.get().content(images))?;
    }
    let target = args.target(context)?;
    let jobs = usize::from(args.registries.jobs);
    let summary =
        import::run(&bundle, &plan, target.as_ref(), jobs, args.keep_going, context.progress());
    let summary = summary.map_err(|error| match error {
        ImportError::Verify(error) => super::verify::explained(error, bundle.get()),
        error => error.into(),
    })?;
    run.note("images", listed(&summary));
    if let Some(desk) = desk.filter(|_| !args.dry_run) {
        let log = run.state();
        let circumstances = args.circumstances((place.clone(), started, log), context)?;
        let receipt = receipt::receipt(&bundle, &plan, &summary, &site.memory, circumstances);
        desk.leave(&receipt)?;
        run.note("receipt", fact(&desk.place().to_string_lossy()));
    }
    if summary.is_whole() {
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
        let name = match &self.to {
            To::Layout(path) => [b"oci:", whole(path).as_os_str().as_bytes()].concat(),
            To::Registry { host, .. } => {
                let path = format!("{}/{}", host.to_ascii_lowercase(), self.registry_prefix());
                format!("docker://{}", path.trim_end_matches('/')).into_bytes()
            }
        };
        Place::new(&name)
    }

    /// The prefix in the target and the one of `--prefix`.
    fn registry_prefix(&self) -> String {
        let of_target = match &self.to {
            To::Registry { prefix, .. } => prefix.as_str(),
            To::Layout(_) => "",
        };
        let more = self.prefix.as_deref().unwrap_or("").trim_matches('/');
        [of_target, more].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("/")
    }

    fn mapping(&self) -> Result<Mapping, Failure> {
        let base = match (&self.to, &self.prefix) {
            (To::Layout(_), Some(_)) => {
                let message = "--prefix is for registries; names stay whole in a layout";
                return Err(Failure::new(Exit::Usage, "usage", message).hint("use --map FROM=TO"));
            }
            (To::Layout(_), None) => Base::Layout,
            (To::Registry { host, .. }, _) => {
                Base::Registry { host: host.clone(), prefix: self.registry_prefix() }
            }
        };
        Ok(Mapping::new(base, self.map.clone()))
    }

    /// The target for looking at, which makes no layout where there is none.
    fn existing_target(&self, context: &Context) -> Result<Option<Box<dyn Target>>, Failure> {
        match &self.to {
            To::Layout(path) if !path.join("oci-layout").exists() => Ok(None),
            _ => self.target(context).map(Some),
        }
    }

    fn target(&self, context: &Context) -> Result<Box<dyn Target>, Failure> {
        Ok(match &self.to {
            To::Layout(path) => Box::new(LayoutTarget::open_or_create(path)?),
            To::Registry { .. } => {
                Box::new(RegistryTarget::new(registries::client(&self.registries, context)?))
            }
        })
    }
}

/// `path` from the root on and without links, as far as it exists.
fn whole(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| match path.file_name() {
        Some(name) => whole(&files::parent(path)).join(name),
        None => path.to_owned(),
    })
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
        let line = |it: &import::PlannedImage<'_>| {
            json!({
                "name": it.image.name, "target": it.target, "digest": it.image.digest,
            })
        };
        return context
            .print_json(&json!({"images": plan.images.iter().map(line).collect::<Vec<_>>()}));
    }
    let line = |it: &import::PlannedImage<'_>| format!("{} -> {}\n", it.image.name, it.target);
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
    super::images::partial(&failures.collect::<Vec<_>>(), context)
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
    lines.collect::<String>() + &last
}
