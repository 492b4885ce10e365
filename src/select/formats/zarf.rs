//! A Zarf package definition: the images and charts of its components. Source: Zarf's "zarf.yaml
//! Schema".
//!
//! Manifests, files, repositories and actions are passed over: a package's author lists all of its
//! images. What would bring further images is refused.

use super::{Reader, Refusal, Wanted};
use crate::yaml::At;

pub(super) fn read(reader: &mut Reader, document: &At) -> Result<(), Refusal> {
    for component in document.need("components")?.items()? {
        let instead = [
            (
                "import",
                "imported components are not read: give the file that `zarf dev inspect definition` writes",
            ),
            ("imageArchives", "name them as oci-archive:FILE or docker-archive:FILE instead"),
            ("dataInjections", "data is not an image, and is not taken"),
        ];
        for (key, instead) in instead {
            if let Some(found) = component.get(key)? {
                return Err(found.wrong(instead).into());
            }
        }
        for at in component.list_of("images")? {
            reader.image(&at, at.text()?)?;
        }
        for at in component.list_of("charts")? {
            chart(reader, &at)?;
        }
    }
    Ok(())
}

fn chart(reader: &mut Reader, at: &At) -> Result<(), Refusal> {
    let version = at.text_of("version")?;
    let place = match (at.text_of("localPath")?, at.text_of("url")?) {
        (Some(path), _) => path,
        (None, Some(url)) => url,
        (None, None) => return Err(at.wrong("neither url nor localPath says where it is").into()),
    };
    if at.get("gitPath")?.is_some() {
        return Err(at
            .wrong("charts in git are not read: name the chart as chart:DIRECTORY")
            .into());
    }
    // In a chart repository the name stands apart; an OCI address ends with it.
    let name =
        at.text_of("repoName")?.or(at.text_of("name")?).filter(|_| !place.starts_with("oci://"));
    reader.chart(at, Wanted { name, place, version, images: false })
}
