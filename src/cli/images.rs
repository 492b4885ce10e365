//! The images that a command is about: arguments, list files or a lock.

use clap::Args;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::input;
use super::output::count;
use crate::oci::{PinnedImage, Platform};
use crate::pool;
use crate::select::{
    self, Asked, KindGlob, List, ListEntry, ListFile, Lock, MAX_FILE_SIZE, MAX_LOCK_SIZE, Options,
    Referrers, Request, expand, is_brought, pin,
};
use crate::source::{MAX_CHART_SIZE, Opener};

/// Which images, and how much of each.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Images")]
pub struct ImageArgs {
    /// An image: [NAME=]name[:tag][@digest], oci:DIR[:REF], oci-archive:FILE[:REF] or
    /// docker-archive:FILE[:REF]; NAME is what it is to be called. Tags of a repository:
    /// 'name:GLOB', 'name:~REGEX', 'name:{semver=>=1.2 <2; newest=3}'. A registry: host/ or
    /// host/path/. A Helm chart and its images: oci://name:version, chart:FILE or chart:DIRECTORY
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
    /// A file that names images, of a kind that its content tells or KIND says (repeatable): list,
    /// skopeo, oc-mirror, hauler, zarf, imgpkg, kubernetes, kustomize, compose or chart
    #[arg(short = 'f', long = "file", value_name = "[KIND:]FILE")]
    pub lists: Vec<ListFile>,
    /// Only this platform (repeatable): os/architecture[/variant]. One alone picks its manifest
    /// out of an index; several keep the index and leave the other platforms behind
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Vec<Platform>,
    /// Of signatures, SBOMs and whatever else refers to the images, take those of this kind only
    /// (repeatable): an artifact type with * and ?, or cosign/sig, cosign/att, cosign/sbom
    #[arg(long, value_name = "TYPE")]
    pub referrers: Vec<KindGlob>,
    /// Leave signatures, SBOMs and whatever else refers to the images behind; with =TYPE, only those
    /// of this kind (repeatable)
    #[arg(long, value_name = "TYPE", num_args = 0..=1, require_equals = true,
          default_missing_value = "*")]
    pub no_referrers: Vec<KindGlob>,
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
    /// Which kinds of referrers travel too.
    pub fn wanted_referrers(&self) -> Referrers {
        Referrers::new(self.referrers.clone(), self.no_referrers.clone())
    }

    /// Resolves everything that is named, `jobs` images at a time.
    ///
    /// # Errors
    /// The first thing that is wrong; with `--keep-going` only what concerns no single image.
    pub fn pin(&self, opener: &Opener, jobs: usize, context: &Context) -> Result<Pinned, Failure> {
        let lists = self.asked()?;
        if lists.iter().all(|list| list.entries.is_empty()) {
            let failure = Failure::new(Exit::Usage, "no-images", "no image is named");
            return Err(failure.hint("name images, or a list with -f"));
        }
        let options = Options {
            platforms: self.platform.clone(),
            referrers: self.wanted_referrers(),
            foreign_layers: self.foreign_layers,
        };
        let mut found = Found::default();
        context.progress().begin("resolving", 0);
        let asked = self.expand(&lists, opener, jobs, &mut found)?;
        let (attached, asked): (Vec<Asked>, Vec<Asked>) =
            asked.into_iter().partition(|asked| asked.attached);
        self.pin_all(&asked, opener, &options, jobs, &mut found)?;
        let mut left = attached;
        left.retain(|it| options.referrers == Referrers::all() && !is_brought(it, &found.images));
        self.pin_all(&left, opener, &options, jobs, &mut found)?;
        context.progress().end();
        Ok(Pinned { lock: Lock::new(found.images)?, failures: found.failures })
    }

    /// The arguments, and every list.
    fn asked(&self) -> Result<Vec<List>, Failure> {
        let why = "command line";
        let wish = |text: &String| Ok(ListEntry { wish: text.parse()?, why: why.to_owned() });
        let entries = self.images.iter().map(wish).collect::<Result<_, Failure>>()?;
        let arguments = List { entries, ..List::default() };
        let files = self.lists.iter().map(read_list);
        std::iter::once(Ok(arguments)).chain(files).collect()
    }

    /// Every image that is meant and not blocked, each once for each reason.
    fn expand(
        &self,
        lists: &[List],
        opener: &Opener,
        jobs: usize,
        found: &mut Found,
    ) -> Result<Vec<Asked>, Failure> {
        let mut all = Vec::new();
        for list in lists {
            let work = |entry: &ListEntry| {
                self.going_on(expand(entry, opener, &self.platform, jobs).map_err(Failure::from))
            };
            for result in pool::run(jobs, &list.entries, work)? {
                match result {
                    Ok(asked) => all.extend(asked.into_iter().filter(|it| !list.blocks(it))),
                    Err(failure) => found.failures.push(failure),
                }
            }
        }
        Ok(all)
    }

    fn pin_all(
        &self,
        asked: &[Asked],
        opener: &Opener,
        options: &Options,
        jobs: usize,
        found: &mut Found,
    ) -> Result<(), Failure> {
        let work = |asked: &Asked| self.going_on(pin_one(asked, opener, options));
        for result in pool::run(jobs, asked, work)? {
            match result {
                Ok(image) => found.images.push(image),
                Err(failure) => found.failures.push(failure),
            }
        }
        Ok(())
    }

    /// A failure is the end of all, unless it is to be gone on.
    fn going_on<T>(&self, result: Result<T, Failure>) -> Result<Result<T, Failure>, Failure> {
        match result {
            Err(failure) if self.keep_going => Ok(Err(failure)),
            other => other.map(Ok),
        }
    }
}

/// What was found of everything that is asked for.
#[derive(Default)]
struct Found {
    images: Vec<PinnedImage>,
    failures: Vec<Failure>,
}

fn pin_one(asked: &Asked, opener: &Opener, options: &Options) -> Result<PinnedImage, Failure> {
    let here = |failure: Failure| failure.at(&asked.location);
    let opened = opener.open(&asked.location).map_err(|error| here(error.into()))?;
    let name = asked.name.clone().or(opened.name).ok_or_else(|| {
        let failure = Failure::new(Exit::Usage, "no-name", "the image has no name there");
        let location = &asked.location;
        here(failure.hint(format!("say what to call it: registry.example/app:1.0={location}")))
    })?;
    let request = Request { name, source: asked.location.to_string(), why: asked.why.clone() };
    Ok(pin(opened.source.as_ref(), &request, options)?)
}

/// A list file, or none of a directory.
fn read_list(file: &ListFile) -> Result<List, Failure> {
    let bytes = match file.path.is_dir() {
        true => None,
        false => Some(input::read(&file.path, MAX_FILE_SIZE.max(MAX_CHART_SIZE))?),
    };
    Ok(select::read(file, bytes.as_ref().map(|bytes| bytes.as_slice()))?)
}

/// A lock is a file that begins as JSON does; nothing that holds a bundle does.
pub fn is_lock(path: &std::path::Path) -> bool {
    use std::io::Read as _;
    let mut first = [0];
    let file = std::fs::File::open(path).ok().filter(|_| path.is_file());
    file.is_some_and(|mut file| file.read(&mut first).is_ok()) && first == *b"{"
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
