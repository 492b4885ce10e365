//! Pinning one image: from a name to every document that travels.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::str::FromStr;

use regex::Regex;
use serde::Deserialize;

use super::SelectError;
use super::pattern::{PatternError, wildcard};
use super::walk::{Part, Walk};
use crate::oci::{Content, MAX_MANIFEST_SIZE, Manifest, PinnedImage, Platform, Reference};
use crate::source::Source;

/// An image that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it is to be called.
    pub name: Reference,
    /// Where its bytes come from, as the user may write it.
    pub source: String,
    /// Who asks: the argument, the list file and line, …
    pub why: String,
}

/// How much of an image travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The platforms wanted; empty means all.
    pub platforms: Vec<Platform>,
    /// Which signatures, SBOMs and whatever else refers to the image travel too.
    pub referrers: Referrers,
    /// Whether foreign layers travel too, which registries need not hold.
    pub foreign_layers: bool,
}

/// Which kinds of documents that refer to an image travel with it.
///
/// A kind is the artifact type; for a signature, attestation or SBOM that cosign found a tag for,
/// and that has none, `cosign/sig`, `cosign/att` or `cosign/sbom`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrers {
    only: Vec<KindGlob>,
    never: Vec<KindGlob>,
}

/// A glob of kinds: `*` is any run of characters, `?` any one.
#[derive(Debug, Clone)]
pub struct KindGlob {
    text: String,
    matcher: Regex,
}

impl Referrers {
    /// All of them.
    pub fn all() -> Referrers {
        Referrers { only: Vec::new(), never: Vec::new() }
    }

    /// None, and none is asked for.
    pub fn none() -> Referrers {
        Referrers { only: Vec::new(), never: vec![KindGlob::any()] }
    }

    /// Those that are of a kind in `only`, which may be empty and is all then, and of none in
    /// `never`.
    pub fn new(only: Vec<KindGlob>, never: Vec<KindGlob>) -> Referrers {
        Referrers { only, never }
    }

    /// True when no kind could travel.
    pub fn is_none(&self) -> bool {
        self.never.contains(&KindGlob::any())
    }

    /// True when documents of this kind travel.
    pub fn take(&self, kind: &str) -> bool {
        let any = |globs: &[KindGlob]| globs.iter().any(|glob| glob.matcher.is_match(kind));
        (self.only.is_empty() || any(&self.only)) && !any(&self.never)
    }
}

impl KindGlob {
    fn any() -> KindGlob {
        KindGlob { text: "*".to_owned(), matcher: wildcard("*") }
    }
}

impl PartialEq for KindGlob {
    fn eq(&self, other: &KindGlob) -> bool {
        self.text == other.text
    }
}

impl Eq for KindGlob {}

impl FromStr for KindGlob {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<KindGlob, PatternError> {
        let fits = (1..=255).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic());
        match fits {
            true => Ok(KindGlob { text: text.to_owned(), matcher: wildcard(text) }),
            false => Err(PatternError::Glob(text.chars().take(200).collect())),
        }
    }
}

/// Finds out what `request` names now, and every document that belongs to it.
///
/// Without platforms everything travels. One platform of an index makes that platform's manifest
/// the root, and the index stays behind; of several platforms the index stays the root, unchanged,
/// and the documents of other platforms are stated to stay behind. The order of the documents
/// depends on nothing but the documents: the root, its children in index order and depth first,
/// then what refers to each of them, breadth first.
///
/// # Errors
/// All of [`SelectError`] but those of lists and locks.
pub fn pin(
    source: &dyn Source,
    request: &Request,
    options: &Options,
) -> Result<PinnedImage, SelectError> {
    let wanted: Vec<Platform> =
        options.platforms.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let mut walk = Walk::new(source, &request.name, options.foreign_layers);
    let named = walk.root()?;
    let (root, platform, index) = match (wanted.as_slice(), named.content()) {
        ([one], Content::Index(_)) => {
            let (root, platform) = walk.find(&named, one)?;
            (root, Some(platform), Some(named.descriptor().digest))
        }
        (_, Content::Index(_)) => (named, None, None),
        (_, _) => {
            offer_own_platform(source, &mut walk, &named, &wanted)?;
            (named, None, None)
        }
    };
    walk.add(&root, platform, Part::ROOT, &wanted, 0)?;
    walk.check_offered(&wanted)?;
    if !options.referrers.is_none() {
        walk.add_what_refers(&options.referrers)?;
    }
    let (documents, omitted, bytes) = walk.finish();
    Ok(PinnedImage {
        name: request.name.clone(),
        source: request.source.clone(),
        why: vec![request.why.clone()],
        digest: root.descriptor().digest,
        bytes,
        index,
        documents,
        omitted,
    })
}

/// An image without an index states its platform in its config; an artifact has none, and then
/// every wish is taken for granted.
fn offer_own_platform(
    source: &dyn Source,
    walk: &mut Walk<'_>,
    manifest: &Manifest,
    wanted: &[Platform],
) -> Result<(), SelectError> {
    if wanted.is_empty() {
        return Ok(());
    }
    match own_platform(source, walk.name(), manifest)? {
        Some(platform) => walk.offer(platform),
        None => wanted.iter().for_each(|platform| walk.offer(platform.clone())),
    }
    Ok(())
}

fn own_platform(
    source: &dyn Source,
    name: &Reference,
    manifest: &Manifest,
) -> Result<Option<Platform>, SelectError> {
    #[derive(Deserialize)]
    struct Config {
        os: String,
        architecture: String,
        variant: Option<String>,
    }
    let Some(config) = manifest.blobs().next().filter(|blob| blob.media_type.is_image_config())
    else {
        return Ok(None);
    };
    if config.size > MAX_MANIFEST_SIZE {
        return Ok(None);
    }
    let blob =
        source.blob(config).map_err(|error| SelectError::Source { name: name.clone(), error })?;
    let mut bytes = Vec::new();
    blob.proving().read_to_end(&mut bytes).map_err(|error| SelectError::Config {
        name: name.clone(),
        config: config.digest,
        error,
    })?;
    let Ok(Config { os, architecture, variant }) = serde_json::from_slice(&bytes) else {
        return Ok(None);
    };
    let variant = variant.filter(|variant| !variant.is_empty());
    let text = [Some(os), Some(architecture), variant].into_iter().flatten();
    Ok(text.collect::<Vec<String>>().join("/").parse().ok())
}
