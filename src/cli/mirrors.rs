//! `gapferry mirrors`: writes the configuration with which machines pull from the site's registry.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::host;
use super::bundles::TrustArgs;
use super::context::Context;
use super::failure::{Exit, Failure};
use super::images::{is_lock, read_lock};
use super::mapping::MappingArgs;
use super::output::{count, escaped};
use super::targets::To;
use crate::files;
use crate::import;
use crate::mirror::{File, Limit, Manner, Site};
use crate::oci::{Digest, PinnedImage, Reference};
use crate::select::Lock;

const EXAMPLES: &str = "\
EXAMPLES:
  For a registry that `gapferry import` filled with the same --to and --map:
    gapferry mirrors /media/stick/bundle --trust release.key.pub --keep-host \\
      --to docker://registry.site:5000/mirror -o site-config
  From the lock, before anything travels; the registry speaks plain HTTP:
    gapferry mirrors images.lock --to docker://10.0.0.5:5000 --plain-http 10.0.0.5:5000 \\
      --map docker.io=hub --map quay.io=quay -o site-config
  Where the pulls of this machine would go, and whether the images are there:
    gapferry mirrors images.lock --to docker://registry.site:5000/mirror --keep-host \\
      --check-config /etc/containerd/certs.d
  Where one pull would go:
    gapferry mirrors --check-config /etc/containers --reference quay.io/prometheus/prometheus:v3.0.0";

/// Write what machines need to pull by the old names from the site's registry
///
/// For containerd, podman and skopeo, k3s and RKE2, OpenShift; and the list of old and new names.
/// Without --trust a bundle is held against itself only, and what is written says so.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A bundle (its places), or locks
    #[arg(value_name = "BUNDLE|LOCK", required_unless_present = "reference")]
    pub(super) places: Vec<PathBuf>,
    /// Where the images were imported: docker://HOST[:PORT][/PREFIX] (or registry://)
    #[arg(long, value_name = "TARGET", required_unless_present = "reference")]
    pub(super) to: Option<To>,
    #[command(flatten)]
    pub(super) names: MappingArgs,
    /// A new directory for the files
    #[arg(short, long, value_name = "DIR", required_unless_present = "check_config")]
    out: Option<PathBuf>,
    /// Write nothing; say where each pull would go with the configuration in this file or directory, and
    /// exit with 4 if that is not where the images are
    #[arg(long, value_name = "PATH", conflicts_with_all = ["out", "plain_http", "fallback"])]
    check_config: Option<PathBuf>,
    /// With --check-config: this image too (repeatable)
    #[arg(long, value_name = "IMAGE", requires = "check_config")]
    pub(super) reference: Vec<Reference>,
    /// The site's registry speaks plain HTTP: HOST[:PORT] of --to
    #[arg(long, value_name = "HOST[:PORT]", value_parser = host)]
    plain_http: Vec<String>,
    /// Let machines ask the registry that an image came from when the site's has it not
    #[arg(long)]
    fallback: bool,
    #[command(flatten)]
    pub(super) trust: TrustArgs,
}

/// Does it.
///
/// # Errors
/// Whatever is wrong with the bundle, the locks or the rules; when the directory cannot be written.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    if let Some(path) = &args.check_config {
        return super::mirrors_check::run(path, &args, context);
    }
    let (Some(to), Some(out)) = (&args.to, &args.out) else {
        return Err(Failure::new(Exit::Usage, "usage", "--to and --out are needed"));
    };
    let named = Named::read(&args.places, &args.trust, context)?;
    let mapping = args.names.mapping(to)?;
    let plan = import::plan(&named.images, &[], &mapping)?;
    let site = Site::new(&plan, &mapping, args.manner()?, vec![named.origin.clone()]);
    let site = site.ok_or_else(|| {
        let failure = Failure::new(Exit::Usage, "usage", "nobody pulls from a layout");
        failure.hint("name a registry with --to docker://HOST[:PORT][/PREFIX]")
    })?;
    let (files, limits) = site.files();
    write(out, &files)?;
    if context.json() {
        return context.print_json(&json!({
            "out": out.to_string_lossy(),
            "from": named.origin,
            "verified": named.verified,
            "images": plan.images.len(),
            "files": files.iter().map(|file| &file.path).collect::<Vec<_>>(),
            "limits": limits,
        }));
    }
    let warning = if named.verified { "" } else { "NOT VERIFIED: give --trust\n" };
    let files: String = files.iter().map(|file| format!("{}\n", file.path)).collect();
    context.print(&format!(
        "{warning}{files}{}{} in {}\n",
        table(&limits),
        count(plan.images.len(), "image"),
        escaped(&out.to_string_lossy())
    ))
}

fn table(limits: &[Limit]) -> String {
    let line = |limit: &Limit| {
        format!("not said for {}: {}: {}\n", limit.form.name(), limit.name, escaped(&limit.why))
    };
    limits.iter().map(line).collect()
}

impl Args {
    fn manner(&self) -> Result<Manner, Failure> {
        let endpoint = match &self.to {
            Some(To::Registry { host, .. }) => host.as_str(),
            _ => "",
        };
        if let Some(other) = self.plain_http.iter().find(|host| *host != endpoint) {
            let message = format!("--plain-http {other} is not the registry of --to");
            return Err(Failure::new(Exit::Usage, "usage", message));
        }
        Ok(Manner { plain_http: !self.plain_http.is_empty(), fallback: self.fallback })
    }
}

/// Images that a bundle or locks name.
pub(super) struct Named {
    pub(super) images: Vec<PinnedImage>,
    /// Who says so, in words.
    pub(super) origin: String,
    /// False for a bundle whose signatures nobody checked.
    pub(super) verified: bool,
}

impl Named {
    pub(super) fn read(
        places: &[PathBuf],
        trust: &TrustArgs,
        context: &Context,
    ) -> Result<Named, Failure> {
        if places.iter().all(|place| is_lock(place)) {
            return Named::of_locks(places);
        }
        let contents = trust.look(places, context)?;
        let signers: Vec<String> = contents.signers().iter().map(ToString::to_string).collect();
        let verified = !signers.is_empty();
        let word = match verified {
            true => format!("signed by {}", signers.join(" and ")),
            false => "NOT VERIFIED: anybody may have made it".to_owned(),
        };
        let origin = format!("From the bundle {}, {word}.", contents.seal_digest());
        Ok(Named { images: contents.images().to_vec(), origin, verified })
    }

    fn of_locks(places: &[PathBuf]) -> Result<Named, Failure> {
        let mut images = Vec::new();
        for place in places {
            images.extend(read_lock(place)?.into_images());
        }
        let lock = Lock::new(images)?;
        let origin = format!("From a lock, {}.", Digest::of(&lock.to_bytes()));
        Ok(Named { images: lock.into_images(), origin, verified: true })
    }
}

/// Writes all files below a directory that was not there, or was empty.
fn write(out: &Path, written: &[File]) -> Result<(), Failure> {
    let is_empty = std::fs::read_dir(out).map(|mut entries| entries.next().is_none());
    if out.symlink_metadata().is_ok() && !is_empty.unwrap_or(false) {
        let message = format!("{} exists already", out.display());
        let failure = Failure::new(Exit::Failed, "exists", message);
        return Err(failure.hint("choose another place, or remove what is there"));
    }
    for file in written {
        let path = out.join(&file.path);
        files::create_directories(&files::parent(&path))?;
        files::write_atomic(&path, file.text.as_bytes())?;
    }
    Ok(())
}
