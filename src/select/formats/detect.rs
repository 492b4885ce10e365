//! Which kind of list a file is, by its content.

use super::{KUSTOMIZATIONS, Kind};
use crate::yaml::Node;

/// True when the first line that says something is one of YAML or JSON. No reference has a colon at
/// its end or a space behind one, begins with a brace or `- `, or is `---`.
pub(super) fn is_yaml(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let lines = bytes.split(|&byte| byte == b'\n').map(|line| line.trim_ascii());
    let Some(line) = lines.clone().find(|line| !line.is_empty() && line[0] != b'#') else {
        return false;
    };
    let starts = [&b"---"[..], b"{", b"[", b"- ", b"%YAML"].iter().any(|it| line.starts_with(it));
    let end = line.windows(2).position(|pair| pair == b" #").unwrap_or(line.len());
    let said = line[..end].trim_ascii_end();
    starts || said == b"-" || said.ends_with(b":") || said.windows(2).any(|pair| pair == b": ")
}

/// The kind of a document; `None` when it is none that is known.
pub(super) fn kind_of(document: &Node, file: &str) -> Option<Kind> {
    let text = |key: &str| document.text_of(key).unwrap_or_default();
    let (api, kind) = (text("apiVersion"), text("kind"));
    let group = api.split('/').next().unwrap_or_default();
    let name = file.rsplit('/').next().unwrap_or(file);
    match (group, kind) {
        ("mirror.openshift.io", _) => Some(Kind::OcMirror),
        ("content.hauler.cattle.io", _) => Some(Kind::Hauler),
        ("imgpkg.carvel.dev", _) => Some(Kind::Imgpkg),
        ("kustomize.config.k8s.io", _) => Some(Kind::Kustomize),
        (_, "ZarfPackageConfig" | "ZarfInitConfig") => Some(Kind::Zarf),
        ("", "") if KUSTOMIZATIONS.contains(&name) => Some(Kind::Kustomize),
        _ if !api.is_empty() && !kind.is_empty() => Some(Kind::Kubernetes),
        _ if document.get("services").is_some() => Some(Kind::Compose),
        _ if is_skopeo(document) => Some(Kind::Skopeo),
        _ => None,
    }
}

/// Registries, each with images in one of three ways.
fn is_skopeo(document: &Node) -> bool {
    let ways = ["images", "images-by-tag-regex", "images-by-semver"];
    let entries = document.entries();
    let is_registry = |node: &Node| ways.iter().any(|way| node.get(way).is_some());
    !entries.is_empty() && entries.iter().all(|(_, node)| is_registry(node))
}
