//! The list of old and new names, for people and for scripts.

use serde_json::json;

use super::{File, Image, Limit, Site};

impl Site<'_> {
    pub(super) fn references(&self, limits: &[Limit]) -> [File; 2] {
        let hosts = self.hosts.values().flat_map(|host| host.repositories.values());
        let mut images: Vec<&Image<'_>> = hosts.flat_map(|it| &it.images).collect();
        images.sort_by_key(|image| image.name);
        let line = |it: &&Image<'_>| format!("{} {} {}\n", it.name, it.target, it.digest);
        let text = format!(
            "{}# The name that it had, the name that it has, its digest.\n{}",
            self.head(&[]),
            images.iter().map(line).collect::<String>()
        );
        let entry = |it: &&Image<'_>| {
            json!({
                "name": it.name, "target": it.target, "digest": it.digest,
                "rule": Some(it.rule).filter(|rule| !rule.is_empty()),
            })
        };
        let value = json!({
            "gapferry": "mirrors v1",
            "made": format!("gapferry {}", env!("CARGO_PKG_VERSION")),
            "from": self.origin,
            "registry": self.endpoint,
            "references": images.iter().map(entry).collect::<Vec<_>>(),
            "limits": limits,
        });
        let json = serde_json::to_string_pretty(&value).expect("texts and lists always serialise");
        [("references.txt", text), ("references.json", json + "\n")]
            .map(|(path, text)| File { path: path.to_owned(), text })
    }
}
