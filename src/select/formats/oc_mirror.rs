//! oc-mirror's ImageSetConfiguration, v1alpha2 and v2alpha1: additional images, blocked images and
//! charts. Release images and operator catalogs need a resolver of OpenShift's own, and are refused
//! with every entry named. Source: OpenShift's "Image set configuration parameters".

use super::{Blocked, Reader, Refusal, Wanted};
use crate::select::SelectError;
use crate::yaml::At;

const VERSIONS: [&str; 2] = ["mirror.openshift.io/v1alpha2", "mirror.openshift.io/v2alpha1"];

pub(super) fn read(reader: &mut Reader, document: &At) -> Result<(), Refusal> {
    let (version, kind) = (document.need_text("apiVersion")?, document.need_text("kind")?);
    if !VERSIONS.contains(&version) || kind != "ImageSetConfiguration" {
        let why = format!(
            "{kind} of {version} is not read, but ImageSetConfiguration of v1alpha2 and v2alpha1 is"
        );
        return Err(document.wrong(why).into());
    }
    // How the output is cut and where oc-mirror keeps its state is not ours.
    document.only(&["apiVersion", "kind", "mirror", "archiveSize", "storageConfig", "metadata"])?;
    let mirror = document.need("mirror")?;
    refuse(&mirror)?;
    mirror.only(&["additionalImages", "blockedImages", "helm"])?;
    for at in mirror.list_of("additionalImages")? {
        at.only(&["name"])?;
        let name = at.need("name")?;
        reader.image(&name, name.text()?)?;
    }
    for at in mirror.list_of("blockedImages")? {
        let name = at.need("name")?;
        let why = reader.why(&name);
        let blocked =
            Blocked::new(name.text()?).map_err(|error| SelectError::Wish { why, error })?;
        reader.list.blocked.push(blocked);
    }
    match mirror.get("helm")? {
        Some(helm) => charts(reader, &helm),
        None => Ok(()),
    }
}

fn charts(reader: &mut Reader, helm: &At) -> Result<(), Refusal> {
    helm.only(&["repositories", "local"])?;
    for repository in helm.list_of("repositories")? {
        repository.only(&["name", "url", "charts"])?;
        let place = repository.need_text("url")?;
        for at in repository.need("charts")?.items()? {
            at.only(&["name", "version"])?;
            let (name, version) = (Some(at.need_text("name")?), at.text_of("version")?);
            reader.chart(&at, Wanted { name, place, version, images: true })?;
        }
    }
    for at in helm.list_of("local")? {
        at.only(&["name", "path"])?;
        let place = at.need_text("path")?;
        reader.chart(&at, Wanted { name: None, place, version: None, images: true })?;
    }
    Ok(())
}

/// Names everything that is asked for and not taken, at once.
fn refuse(mirror: &At) -> Result<(), Refusal> {
    let mut named = Vec::new();
    for at in mirror.list_of("operators")? {
        let packages: Vec<&str> =
            at.list_of("packages")?.iter().filter_map(|it| it.node.text_of("name")).collect();
        let catalog = at.text_of("catalog")?.unwrap_or("a catalog");
        named.push(match packages.is_empty() {
            true => format!("operators of {catalog}"),
            false => format!("operators {} of {catalog}", packages.join(", ")),
        });
    }
    if let Some(platform) = mirror.get("platform")? {
        for at in platform.list_of("channels")? {
            named.push(format!("release channel {}", at.need_text("name")?));
        }
        for at in platform.list_of("releases")? {
            named.push(format!("release {}", at.text()?));
        }
        let graph = platform.text_of("graph")? == Some("true");
        named.extend(graph.then(|| "the upgrade graph".to_owned()));
        named.extend(named.is_empty().then(|| "platform".to_owned()));
    }
    for at in mirror.list_of("samples")? {
        named.push(format!("sample {}", at.node.text_of("name").unwrap_or("without a name")));
    }
    match named.is_empty() {
        true => Ok(()),
        false => {
            let why = format!(
                "not taken: {}; list their images (`oc-mirror --dry-run` writes them down) as additionalImages",
                named.join("; ")
            );
            Err(mirror.wrong(why).into())
        }
    }
}
