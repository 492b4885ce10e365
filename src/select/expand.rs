//! From wishes to single images: asking registries which tags and repositories there are.
//!
//! Withstands: repositories that go away meanwhile, tags without a date, configs of any size.

use std::io::Read as _;

use serde::Deserialize;

use super::pattern::{Filter, is_attached};
use super::wish::Wish;
use super::{ListEntry, SelectError, chart};
use crate::oci::{
    Content, Descriptor, Digest, MAX_MANIFEST_SIZE, Manifest, PinnedImage, Platform, Reference,
    Repository, Tag, date,
};
use crate::pool;
use crate::source::{Location, Opener, Source, SourceError};

/// When something was made, in annotations.
const CREATED: &str = "org.opencontainers.image.created";

/// One image that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What it is to be called, if not as in its place.
    pub name: Option<Reference>,
    /// Where it is.
    pub location: Location,
    /// Who asks, and by which pattern.
    pub why: String,
    /// A tag made of a digest, which most likely an image brings along: see [`is_brought`].
    pub attached: bool,
}

/// Finds out which images `entry` means now, sorted where it means many. `platforms` say which
/// platform's time counts; `jobs` requests are made at a time.
///
/// # Errors
/// [`SelectError::NoMatch`] when there is none; [`SelectError::Undated`] when a time is asked for
/// and an image has none; what the registry does; what is wrong with a chart.
pub fn expand(
    entry: &ListEntry,
    opener: &Opener,
    platforms: &[Platform],
    jobs: usize,
) -> Result<Vec<Asked>, SelectError> {
    let ask = Ask { entry, opener, platforms, jobs };
    match &entry.wish {
        Wish::Image { name, location } => Ok(vec![ask.one(name.clone(), location.clone())]),
        Wish::Chart { name, location, images } => {
            let mut all = vec![ask.one(name.clone(), location.clone())];
            if *images {
                let found = chart::images(opener, location, &entry.why)?.into_iter();
                all.extend(found.map(|(reference, why)| Asked {
                    name: None,
                    location: Location::Registry(reference),
                    why,
                    attached: false,
                }));
            }
            Ok(all)
        }
        Wish::Tags { repository, filter, pattern } => {
            let found = ask.tags(repository, filter)?;
            ask.some(found, pattern)
        }
        Wish::Registry { host, below } => ask.registry(host, below),
    }
}

/// True when one of `images` brings what `asked` is along: it names a tag that cosign or a client
/// without the referrers API made of a digest, and the document of that digest is aboard.
pub fn is_brought(asked: &Asked, images: &[PinnedImage]) -> bool {
    let Location::Registry(Reference { repository, tag: Some(tag), .. }) = &asked.location else {
        return false;
    };
    let same = images.iter().filter(|image| image.name.repository == *repository);
    let mut documents = same.flat_map(|image| &image.documents);
    let is_list =
        |digest: &Digest| tag.as_str() == format!("{}-{:.64}", digest.algorithm(), digest.hex());
    documents.any(|it| it.tag.as_ref() == Some(tag) || is_list(&it.digest))
}

struct Ask<'a> {
    entry: &'a ListEntry,
    opener: &'a Opener,
    platforms: &'a [Platform],
    jobs: usize,
}

impl Ask<'_> {
    fn one(&self, name: Option<Reference>, location: Location) -> Asked {
        Asked { name, location, why: self.entry.why.clone(), attached: false }
    }

    fn some(&self, found: Vec<Asked>, pattern: &str) -> Result<Vec<Asked>, SelectError> {
        match found.is_empty() {
            true => {
                let (pattern, why) = (pattern.to_owned(), self.entry.why.clone());
                Err(SelectError::NoMatch { pattern, why })
            }
            false => Ok(found),
        }
    }

    fn registry(&self, host: &Repository, below: &str) -> Result<Vec<Asked>, SelectError> {
        let mut repositories =
            self.opener.repositories(host).map_err(|error| failed(host, None, error))?;
        repositories.retain(|repository| repository.path().starts_with(below));
        let all = Filter::all();
        let found = pool::run(self.jobs, &repositories, |repository| {
            match self.tags(repository, &all) {
                // A registry goes on listing repositories of which nothing is left.
                Err(SelectError::Source { error: SourceError::NotFound(_), .. }) => Ok(Vec::new()),
                found => found,
            }
        })?;
        self.some(found.concat(), &self.entry.wish.to_string())
    }

    fn tags(&self, repository: &Repository, filter: &Filter) -> Result<Vec<Asked>, SelectError> {
        let tags = self.opener.tags(repository).map_err(|error| failed(repository, None, error))?;
        let chosen = filter.select(&tags, |tags| {
            pool::run(self.jobs, &tags, |tag| Ok((self.created(repository, tag)?, tag.clone())))
        })?;
        let attached = tags.iter().filter(|tag| filter.is_all() && is_attached(tag));
        let asked = |tag: &Tag, attached| {
            let name =
                Reference { repository: repository.clone(), tag: Some(tag.clone()), digest: None };
            let why = format!("{}: {}", self.entry.why, self.entry.wish);
            Asked { attached, why, location: Location::Registry(name.clone()), name: Some(name) }
        };
        let chosen = chosen.iter().map(|tag| asked(tag, false));
        Ok(chosen.chain(attached.map(|tag| asked(tag, true))).collect())
    }

    /// When the image under `tag` was made, in seconds since 1970.
    fn created(&self, repository: &Repository, tag: &Tag) -> Result<u64, SelectError> {
        let failed = |error| failed(repository, Some(tag), error);
        let name =
            Reference { repository: repository.clone(), tag: Some(tag.clone()), digest: None };
        let opened = self.opener.open(&Location::Registry(name.clone())).map_err(failed)?;
        let source = opened.source.as_ref();
        let root = source.root().map_err(failed)?;
        let manifest = match self.child(&root) {
            Some(child) => source.manifest(child).map_err(failed)?,
            None => root,
        };
        let text = match config(source, &manifest, &name)? {
            Some(created) => Some(created),
            None => manifest.annotations().get(CREATED).cloned(),
        };
        text.and_then(|text| date::seconds(&text)).ok_or(SelectError::Undated { name })
    }

    /// The manifest of an index whose time counts: the first that is wanted.
    fn child<'m>(&self, root: &'m Manifest) -> Option<&'m Descriptor> {
        let Content::Index(children) = root.content() else { return None };
        let fits = |child: &&Descriptor| match &child.platform {
            Some(platform) if platform.is_unknown() => false,
            Some(platform) => {
                self.platforms.is_empty() || self.platforms.iter().any(|it| platform.satisfies(it))
            }
            None => true,
        };
        children.iter().find(fits)
    }
}

/// What the config of an image says of its making.
fn config(
    source: &dyn Source,
    manifest: &Manifest,
    name: &Reference,
) -> Result<Option<String>, SelectError> {
    #[derive(Deserialize)]
    struct Config {
        created: Option<String>,
    }
    let config = manifest.blobs().next().filter(|blob| blob.media_type.is_image_config());
    let Some(config) = config.filter(|config| config.size <= MAX_MANIFEST_SIZE) else {
        return Ok(None);
    };
    let failed = |error| SelectError::Source { name: name.clone(), error };
    let mut bytes = Vec::new();
    let blob = source.blob(config).map_err(failed)?;
    blob.proving().read_to_end(&mut bytes).map_err(|error| SelectError::Config {
        name: name.clone(),
        config: config.digest,
        error,
    })?;
    Ok(serde_json::from_slice::<Config>(&bytes).ok().and_then(|config| config.created))
}

fn failed(repository: &Repository, tag: Option<&Tag>, error: SourceError) -> SelectError {
    let (repository, tag) = (repository.clone(), tag.cloned());
    SelectError::Source { name: Reference { repository, tag, digest: None }, error }
}
