//! `gapferry import`: loads a verified bundle into a registry or a layout.

use serde_json::json;

use super::args::RegistryArgs;
use super::bundles::{BundleArgs, TrustArgs};
use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::{bytes, count};
use super::policy::{Aboard, PolicyArgs};
use super::registries;
use super::space::SpaceArgs;
use super::targets::{Opened, To};
use super::verify::skipped;
use crate::import::{self, Base, ImportError, Mapping, Outcome, Plan, Rule, Summary};
use crate::memory::{Memory, Place};
use crate::oci::{PinnedImage, Reference};
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
    policy: PolicyArgs,
    #[command(flatten)]
    registries: RegistryArgs,
}

/// Does it.
///
/// # Errors
/// Whatever is wrong with the bundle, or with the target.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
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
    let plan = import::plan(
        chosen(bundle.get(), &args.image)?,
        &bundle.get().catalog().homes,
        &args.mapping()?,
    )?;
    let open = || args.existing_target(context);
    let aboard = Aboard::new(bundle.get()).with_target(&plan, &open);
    gate.aboard(plan.images.iter().map(|planned| planned.image), &aboard)?;
    let Some(held) = &mut held else {
        super::verify::prove(bundle.get(), context)?;
        return print_plan(&plan, context);
    };
    let images = plan.images.iter().map(|planned| planned.image);
    args.to.check_space(&args.space, &bundle.get().content(images))?;
    let target = args.target(&bundle, context)?;
    let jobs = usize::from(args.registries.jobs);
    let summary =
        import::run(&bundle, &plan, target.target(), jobs, args.keep_going, context.progress());
    let summary = target.finish(summary.map_err(|error| match error {
        ImportError::Verify(error) => super::verify::explained(error, bundle.get()),
        error => error.into(),
    }))?;
    if summary.is_whole() {
        args.trust.remember(bundle.get(), held, site.now, context)?;
    }
    let noted = import::remember(held, &bundle, &summary, &place, site.now).map_err(|error| {
        Failure::from(error).hint("the images are loaded; run it again, so that it is remembered")
    })?;
    let memory = Remembered { before: &site.memory, now: held.memory(), noted };
    print_summary(summary, bundle.get(), &memory, context)
}

/// The memory before and after the import, and whether it got a line.
struct Remembered<'a> {
    before: &'a Memory,
    now: &'a Memory,
    noted: bool,
}

impl Args {
    /// The target as the memory names it.
    fn place(&self) -> Place {
        Place::new(&self.to.named(&self.registry_prefix()))
    }

    /// The prefix in the target and the one of `--prefix`.
    fn registry_prefix(&self) -> String {
        let of_target = match &self.to {
            To::Registry { prefix, .. } => prefix.as_str(),
            _ => "",
        };
        let more = self.prefix.as_deref().unwrap_or("").trim_matches('/');
        [of_target, more].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("/")
    }

    fn mapping(&self) -> Result<Mapping, Failure> {
        let base = match (self.to.registry(), &self.prefix) {
            (None, Some(_)) => {
                let message = "--prefix is for registries; names stay whole elsewhere";
                return Err(Failure::new(Exit::Usage, "usage", message).hint("use --map FROM=TO"));
            }
            (None, None) => Base::Layout,
            (Some(host), _) => {
                Base::Registry { host: host.to_owned(), prefix: self.registry_prefix() }
            }
        };
        Ok(Mapping::new(base, self.map.clone()))
    }

    /// The target for looking at, which makes nothing where there is nothing.
    fn existing_target(&self, context: &Context) -> Result<Option<Box<dyn Target>>, Failure> {
        self.to.existing(|| registries::client(&self.registries, context))
    }

    fn target(&self, bundle: &VerifiedBundle, context: &Context) -> Result<Opened, Failure> {
        let seal = bundle.get().seal_digest();
        self.to.open(&seal, || registries::client(&self.registries, context))
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
            "previousImported": memory.before.has_previous(seal),
            "memory": {"noted": memory.noted, "head": memory.now.head().hex()},
        }))?,
        false => {
            let head = format!("memory   {}\n", memory.now.head().hex());
            let head = if context.verbose() { head } else { String::new() };
            context.print(&(head + &skipped(seal, memory.before) + &table(&summary)))?;
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
