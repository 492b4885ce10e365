//! A kustomization: the images of its local resources, with its `images:` applied. Source:
//! Kustomize's "The Kustomization File".
//!
//! Resources that are files or directories here are read; those elsewhere are refused by name, and so
//! is whatever else could change or bring images. Withstands: kustomizations in circles.

use std::path::{Path, PathBuf};

use super::kubernetes::images;
use super::{KUSTOMIZATIONS, Reader, Refusal, open, parse};
use crate::select::{ListEntry, SelectError, Wish};
use crate::yaml::{At, Node};

/// How deep kustomizations may name each other.
const MAX_NESTING: usize = 16;
/// How many images there may be with those of all resources.
const MAX_IMAGES: usize = 100_000;
const RENDER: &str = "is not followed: give what `kubectl kustomize` writes instead";

/// An image as it is named so far, and where.
struct Named {
    text: String,
    why: String,
}

pub(super) fn read(reader: &mut Reader, document: &At) -> Result<(), Refusal> {
    let here = Here { file: reader.file.clone(), base: reader.base.clone() };
    for Named { text, why } in collect(&here, document, 0)? {
        let wish = Wish::reference(&text);
        let wish = wish.map_err(|error| SelectError::Wish { why: why.clone(), error })?;
        reader.list.entries.push(ListEntry { wish, why });
    }
    Ok(())
}

/// A file, and what paths in it are relative to.
struct Here {
    file: String,
    base: PathBuf,
}

fn collect(here: &Here, document: &At, depth: usize) -> Result<Vec<Named>, Refusal> {
    if depth > MAX_NESTING {
        return Err(document.wrong("kustomizations are nested too deep, or in a circle").into());
    }
    refuse(here, document)?;
    let mut found = Vec::new();
    for key in ["resources", "bases", "components"] {
        for at in document.list_of(key)? {
            found.extend(resource(here, &at, depth)?);
            if found.len() > MAX_IMAGES {
                return Err(at.wrong("there are more images than anybody means").into());
            }
        }
    }
    for at in document.list_of("images")? {
        apply(here, &at, &mut found)?;
    }
    Ok(found)
}

fn resource(here: &Here, at: &At, depth: usize) -> Result<Vec<Named>, Refusal> {
    let text = at.text()?;
    let elsewhere = ["://", "git@", "github.com/", "?ref="].iter().any(|mark| text.contains(mark));
    let path = here.base.join(text);
    if elsewhere && !path.exists() {
        return Err(at.wrong(format!("{text} is elsewhere, and {RENDER}")).into());
    }
    let (path, is_kustomization) = match path.is_dir() {
        false => (path, false),
        true => {
            let found = KUSTOMIZATIONS.iter().map(|name| path.join(name)).find(|it| it.is_file());
            (found.ok_or_else(|| at.wrong(format!("there is no kustomization in {text}")))?, true)
        }
    };
    let below =
        Here { file: path.to_string_lossy().into_owned(), base: crate::files::parent(&path) };
    let mut found = Vec::new();
    for document in parse(&below.file, &open(&path)?)? {
        let root = At::root(&document);
        let named = match is_kustomization {
            true => collect(&below, &root, depth + 1),
            false => named(&below, &root),
        };
        found.extend(named.map_err(|refusal| in_file(&below.file, refusal))?);
    }
    Ok(found)
}

fn named(here: &Here, document: &At) -> Result<Vec<Named>, Refusal> {
    let found = images(document)?.into_iter();
    Ok(found.map(|it| Named { text: it.text.to_owned(), why: why(here, &it.at) }).collect())
}

/// An entry of `images:` changes every image of its name. One that changes none is an image itself,
/// as long as it says which: its resource may be elsewhere.
fn apply(here: &Here, at: &At, found: &mut Vec<Named>) -> Result<(), Refusal> {
    at.only(&["name", "newName", "newTag", "digest"])?;
    let name = at.need_text("name")?;
    let (tag, digest) = (at.text_of("newTag")?, at.text_of("digest")?);
    let new_name = at.text_of("newName")?;
    let mut used = false;
    for image in found.iter_mut().filter(|image| split(&image.text).0 == name) {
        let (_, old) = split(&image.text);
        let old = old.to_owned();
        let end = ending(tag, digest).unwrap_or(old);
        image.text = format!("{}{end}", new_name.unwrap_or(name));
        image.why = format!("{}, {}", image.why, why(here, at));
        used = true;
    }
    match (used, ending(tag, digest)) {
        (false, Some(end)) => {
            let text = format!("{}{end}", new_name.unwrap_or(name));
            found.push(Named { text, why: why(here, at) });
            Ok(())
        }
        (false, None) => {
            let why = format!(
                "no resource has the image {name}, and neither newTag nor digest says which one is meant"
            );
            Err(at.wrong(why).into())
        }
        (true, _) => Ok(()),
    }
}

fn ending(tag: Option<&str>, digest: Option<&str>) -> Option<String> {
    match (tag, digest) {
        (_, Some(digest)) => Some(format!("@{digest}")),
        (Some(tag), None) => Some(format!(":{tag}")),
        (None, None) => None,
    }
}

/// The name of an image, and its tag or digest with the mark before it.
fn split(text: &str) -> (&str, &str) {
    let from = text.rfind('/').map_or(0, |at| at + 1);
    let at = text.find('@').or_else(|| text[from..].find(':').map(|at| from + at));
    text.split_at(at.unwrap_or(text.len()))
}

/// What could change or bring images otherwise.
fn refuse(here: &Here, document: &At) -> Result<(), Refusal> {
    for key in ["helmCharts", "helmChartInflationGenerator", "generators", "transformers"] {
        if let Some(found) = document.get(key)? {
            return Err(found.wrong(RENDER).into());
        }
    }
    for key in ["patches", "patchesStrategicMerge", "patchesJson6902", "replacements"] {
        for at in document.list_of(key)? {
            if mentions_image(here, at.node)? {
                return Err(at.wrong(format!("it may change an image, and {RENDER}")).into());
            }
        }
    }
    Ok(())
}

/// True when a patch, here or in a file that is named, speaks of images.
fn mentions_image(here: &Here, node: &Node) -> Result<bool, Refusal> {
    for (key, value) in node.entries() {
        if key.contains("image") || mentions_image(here, value)? {
            return Ok(true);
        }
    }
    for value in node.items() {
        if mentions_image(here, value)? {
            return Ok(true);
        }
    }
    let Some(text) = node.text() else { return Ok(false) };
    let path = here.base.join(text);
    let is_file = !text.contains('\n') && text.len() < 1024 && Path::is_file(&path);
    let content = if is_file { open(&path)? } else { text.as_bytes().to_vec() };
    Ok(content.windows(5).any(|window| window == b"image"))
}

fn why(here: &Here, at: &At) -> String {
    format!("{}:{}: {at}", here.file, at.line())
}

fn in_file(file: &str, refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Shape(error) => SelectError::Format { file: file.to_owned(), error }.into(),
        refusal => refusal,
    }
}
