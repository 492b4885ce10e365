//! The images that a command is about: arguments, list files or a lock.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::input;
use super::output::count;
use crate::oci::{PinnedImage, Platform, Reference};
use crate::pool;
use crate::select::{Lock, MAX_LIST_SIZE, MAX_LOCK_SIZE, Options, Request, parse_list, pin};
use crate::source::{Location, Opener};

/// Which images, and how much of each.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Images")]
pub struct ImageArgs {
    /// An image: [NAME=]name[:tag][@digest], oci:DIR[:REF], oci-archive:FILE[:REF] or
    /// docker-archive:FILE[:REF]; NAME is what it is to be called
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// A file with an image a line; `#` begins a comment (repeatable)
    #[arg(short = 'f', long = "file", value_name = "LIST")]
    pub lists: Vec<PathBuf>,
    /// Only this platform (repeatable): os/architecture[/variant]. One alone picks its manifest
    /// out of an index; several keep the index and leave the other platforms behind
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Vec<Platform>,
    /// Leave signatures, SBOMs and whatever else refers to the images behind
    #[arg(long)]
    pub no_referrers: bool,
    /// Take foreign layers along; those that the registry does not hold are fetched from the https
    /// addresses that the image gives for them
    #[arg(long)]
    pub foreign_layers: bool,
    /// Go on when an image cannot be had; exit with 5 and list what is missing
    #[arg(long)]
    pub keep_going: bool,
}

/// Pinned images, and why others are not among them.
pub struct Pinned {
    /// The images, each name once.
    pub lock: Lock,
    /// What could not be had.
    pub failures: Vec<Failure>,
}

impl ImageArgs {
    /// Resolves everything that is named, `jobs` images at a time.
    ///
    /// # Errors
    /// The first thing that is wrong; with `--keep-going` only what concerns no single image.
    pub fn pin(&self, opener: &Opener, jobs: usize, context: &Context) -> Result<Pinned, Failure> {
        let asked = self.asked()?;
        if asked.is_empty() {
            let failure = Failure::new(Exit::Usage, "no-images", "no image is named");
            return Err(failure.hint("name images, or a list with -f"));
        }
        let options = Options {
            platforms: self.platform.clone(),
            referrers: !self.no_referrers,
            foreign_layers: self.foreign_layers,
        };
        context.progress().begin("resolving", 0);
        let results = pool::run(jobs, &asked, |asked| match asked.pin(opener, &options) {
            Err(failure) if self.keep_going => Ok(Err(failure)),
            other => other.map(Ok),
        })?;
        context.progress().end();
        let (mut images, mut failures) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(image) => images.push(image),
                Err(failure) => failures.push(failure),
            }
        }
        Ok(Pinned { lock: Lock::new(images)?, failures })
    }

    fn asked(&self) -> Result<Vec<Asked>, Failure> {
        let mut asked = Vec::new();
        for text in &self.images {
            asked.push(Asked::parse(text, "command line".to_owned())?);
        }
        for path in &self.lists {
            let bytes = input::read(path, MAX_LIST_SIZE)?;
            for entry in parse_list(&path.to_string_lossy(), &bytes)? {
                let why = entry.why();
                asked.push(
                    Asked::parse(&entry.image, why.clone()).map_err(|failure| failure.at(why))?,
                );
            }
        }
        Ok(asked)
    }
}

struct Asked {
    name: Option<Reference>,
    location: Location,
    why: String,
}

impl Asked {
    fn parse(text: &str, why: String) -> Result<Asked, Failure> {
        let local = ["oci:", "oci-archive:", "docker-archive:", "docker://"];
        let (name, place) = match text.split_once('=') {
            Some((name, place)) if !local.iter().any(|kind| text.starts_with(kind)) => {
                (Some(name.parse()?), place)
            }
            _ => (None, text),
        };
        Ok(Asked { name, location: place.parse()?, why })
    }

    fn pin(&self, opener: &Opener, options: &Options) -> Result<PinnedImage, Failure> {
        let here = |failure: Failure| failure.at(&self.location);
        let opened = opener.open(&self.location).map_err(|error| here(error.into()))?;
        let name =
            self.name.clone().or(opened.name).ok_or_else(|| {
                let failure = Failure::new(Exit::Usage, "no-name", "the image has no name there");
                here(failure.hint(format!(
                    "say what to call it: registry.example/app:1.0={}",
                    self.location
                )))
            })?;
        let request = Request { name, source: self.location.to_string(), why: self.why.clone() };
        Ok(pin(opened.source.as_ref(), &request, options)?)
    }
}

/// Reads a lock file.
///
/// # Errors
/// When it cannot be read or is malformed.
pub fn read_lock(path: &std::path::Path) -> Result<Lock, Failure> {
    let bytes = input::read(path, MAX_LOCK_SIZE)?;
    Ok(Lock::parse(&path.to_string_lossy(), &bytes)?)
}

/// What to say at the end when some images could not be had.
///
/// # Errors
/// When there is any.
pub fn partial(failures: &[Failure], context: &Context) -> Result<(), Failure> {
    if failures.is_empty() {
        return Ok(());
    }
    for failure in failures {
        failure.warn("missing", context);
    }
    let message = format!("not done: {} of what was asked for", count(failures.len(), "item"));
    Err(Failure::new(Exit::Partial, "partial", message))
}
