//! Hauler's manifests: Images and Charts. Source: Hauler's "Manifests", content.hauler.cattle.io.

use super::{Reader, Refusal, Wanted};
use crate::yaml::At;

const VERSIONS: [&str; 2] = ["content.hauler.cattle.io/v1", "content.hauler.cattle.io/v1alpha1"];

pub(super) fn read(reader: &mut Reader, document: &At) -> Result<(), Refusal> {
    let (version, kind) = (document.need_text("apiVersion")?, document.need_text("kind")?);
    if !VERSIONS.contains(&version) {
        return Err(document
            .wrong(format!("{version} is not read, but v1 and v1alpha1 are"))
            .into());
    }
    refuse_annotations(document)?;
    let spec = document.need("spec")?;
    match kind {
        "Images" => images(reader, &spec),
        "Charts" => charts(reader, &spec),
        "Files" => {
            let named: Vec<&str> =
                spec.list_of("files")?.iter().filter_map(|it| it.node.text_of("path")).collect();
            let why = format!(
                "files are not images: {}; make artifacts of them, for instance with oras",
                named.join(", ")
            );
            Err(spec.wrong(why).into())
        }
        kind => Err(document
            .wrong(format!("the kind {kind} is not read, but Images and Charts are"))
            .into()),
    }
}

fn images(reader: &mut Reader, spec: &At) -> Result<(), Refusal> {
    spec.only(&["images"])?;
    for at in spec.need("images")?.items()? {
        for (key, found) in at.entries()? {
            let instead = match key {
                "name" => continue,
                "platform" => "platforms are chosen for all images: give --platform instead",
                "rewrite" => "images are renamed on import: give --map there instead",
                _ => "this key is not taken; signatures are demanded by a policy (--policy)",
            };
            return Err(found.wrong(instead).into());
        }
        let name = at.need("name")?;
        reader.image(&name, name.text()?)?;
    }
    Ok(())
}

fn charts(reader: &mut Reader, spec: &At) -> Result<(), Refusal> {
    spec.only(&["charts"])?;
    for at in spec.need("charts")?.items()? {
        at.only(&["name", "repoURL", "version", "add-images", "addImages"])?;
        let name = at.need_text("name")?;
        let images = [at.text_of("add-images")?, at.text_of("addImages")?].contains(&Some("true"));
        let version = at.text_of("version")?;
        let chart = match at.text_of("repoURL")? {
            Some(place) => Wanted { name: Some(name), place, version, images },
            None => Wanted { name: None, place: name, version, images },
        };
        reader.chart(&at, chart)?;
    }
    Ok(())
}

/// Hauler's own annotations change what is meant for all entries.
fn refuse_annotations(document: &At) -> Result<(), Refusal> {
    let Some(metadata) = document.get("metadata")? else { return Ok(()) };
    for (key, at) in metadata.entries_of("annotations")? {
        if key.starts_with("hauler.dev/") {
            let why = "annotations of Hauler are not taken: write whole names, and give --platform or --policy";
            return Err(at.wrong(why).into());
        }
    }
    Ok(())
}
