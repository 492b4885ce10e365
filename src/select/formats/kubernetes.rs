//! Kubernetes manifests: every image of every pod, in whatever it is wrapped.
//!
//! An `image:` with a text is taken wherever it stands: containers of all sorts in workloads of the
//! core and of custom resources, lists of objects, and what operators read. So is the `reference` of
//! an image volume. ConfigMaps, Secrets and definitions of resources are passed over: what they hold
//! under that name is data. Source: Kubernetes' API reference, `Container`, `ImageVolumeSource`.

use super::{Reader, Refusal};
use crate::yaml::{At, Data};

const PASSED_OVER: [&str; 3] = ["ConfigMap", "Secret", "CustomResourceDefinition"];

/// An image and where it stands.
pub(super) struct Found<'a> {
    pub(super) at: At<'a>,
    pub(super) text: &'a str,
}

pub(super) fn read(reader: &mut Reader, document: &At) -> Result<(), Refusal> {
    for Found { at, text } in images(document)? {
        reader.image(&at, text)?;
    }
    Ok(())
}

/// Every image of a document, in its order.
pub(super) fn images<'a>(document: &At<'a>) -> Result<Vec<Found<'a>>, Refusal> {
    let mut found = Vec::new();
    walk(document, &mut found)?;
    Ok(found)
}

fn walk<'a>(at: &At<'a>, found: &mut Vec<Found<'a>>) -> Result<(), Refusal> {
    match &at.node.data {
        Data::Scalar { .. } => {}
        Data::List(_) => {
            for item in at.items()? {
                walk(&item, found)?;
            }
        }
        Data::Map(_) => {
            let kind = at.node.text_of("kind").unwrap_or_default();
            if at.node.get("apiVersion").is_some() && PASSED_OVER.contains(&kind) {
                return Ok(());
            }
            for (key, below) in at.entries()? {
                match (key, below.node.text()) {
                    ("image", Some("")) => {}
                    ("image", Some(text)) => found.push(Found { at: below, text }),
                    ("image", None) => volume(&below, found)?,
                    _ => walk(&below, found)?,
                }
            }
        }
    }
    Ok(())
}

/// An image volume has a reference; other things by that name may hold anything.
fn volume<'a>(at: &At<'a>, found: &mut Vec<Found<'a>>) -> Result<(), Refusal> {
    match (at.node.text_of("reference"), at.node.get("reference")) {
        (Some(text), Some(_)) => {
            found.push(Found { at: at.need("reference")?, text });
            Ok(())
        }
        _ => walk(at, found),
    }
}
