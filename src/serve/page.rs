//! A page for people: which images there are. One file, no scripts, nothing from elsewhere.
//!
//! Withstands: names, types and platforms that are markup (every text is escaped).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::catalog::{Catalog, Repository};
use super::stock::Stock;
use crate::layout::{Document, Documents};
use crate::oci::Digest;

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>gapferry: images</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #777; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: normal; }
td.size { text-align: right; white-space: nowrap; }
code { font-size: .85em; overflow-wrap: anywhere; }
p.note { color: var(--soft); }
</style>
</head>
<body>
";
const COLUMNS: &str = "<div class=\"wide\"><table>
<thead><tr><th>image</th><th>digest</th><th>platforms</th><th>size</th><th>referrers</th></tr></thead>
<tbody>
";

/// The page, as things stand.
pub(super) fn render(catalog: &Catalog, stock: &Stock) -> String {
    let mut rows = String::new();
    for (name, repository) in catalog.repositories() {
        let tagged: BTreeSet<&Digest> = repository.tags().map(|(_, digest)| digest).collect();
        for (tag, digest) in repository.tags() {
            rows += &row(&format!("{name}:{tag}"), digest, repository, stock);
        }
        for digest in repository.roots.iter().filter(|digest| !tagged.contains(digest)) {
            rows += &row(name, digest, repository, stock);
        }
    }
    let mut page = HEAD.to_owned();
    // Writing to a text does not fail.
    let _ = writeln!(page, "<h1>{} images, read-only</h1>", stock.names.len());
    for (path, hosts) in &catalog.clashes {
        let hosts: Vec<String> = hosts.iter().map(|host| escaped(host)).collect();
        let path = escaped(path);
        let _ = writeln!(
            page,
            "<p class=\"note\"><code>{path}</code> is not the same everywhere: ask for {}.</p>",
            hosts.join(" or ")
        );
    }
    page + COLUMNS + &rows + "</tbody>\n</table></div>\n</body>\n</html>\n"
}

fn row(name: &str, digest: &Digest, repository: &Repository, stock: &Stock) -> String {
    let below = below(*digest, &stock.documents);
    let platforms: BTreeSet<String> = below
        .iter()
        .filter_map(|document| Some(document.descriptor.platform.as_ref()?.to_string()))
        .collect();
    let blobs: BTreeSet<&Digest> = below.iter().flat_map(|document| &document.blobs).collect();
    let size: u64 = blobs.into_iter().filter_map(|blob| stock.stated_size(blob)).sum();
    let referrers = repository.referrers(digest, &stock.documents);
    let kinds = referrers.iter().map(|document| match &document.descriptor.artifact_type {
        Some(kind) => escaped(kind),
        None => document.descriptor.digest.short(),
    });
    let platforms: Vec<String> = platforms.iter().map(|platform| escaped(platform)).collect();
    format!(
        "<tr><td>{}</td><td><code>{digest}</code></td><td>{}</td><td class=\"size\">{}</td><td>{}</td></tr>\n",
        escaped(name),
        platforms.join("<br>"),
        bytes(size),
        kinds.collect::<Vec<_>>().join("<br>")
    )
}

/// A document and all below it.
fn below(root: Digest, documents: &Documents) -> Vec<&Document> {
    let (mut seen, mut waiting, mut found) = (BTreeSet::new(), vec![root], Vec::new());
    while let Some(digest) = waiting.pop() {
        let Some(document) = documents.get(&digest).filter(|_| seen.insert(digest)) else {
            continue;
        };
        waiting.extend(&document.children);
        found.push(document);
    }
    found
}

/// `text` as text, wherever it stands in the page.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
    }
    escaped
}

/// A number of bytes for people.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let (mut size, mut unit) = (count as f64, "B");
    for larger in UNITS {
        if size < 1024.0 {
            break;
        }
        (size, unit) = (size / 1024.0, larger);
    }
    match unit {
        "B" => format!("{count} B"),
        unit => format!("{size:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        assert_eq!(
            escaped("<a href='x' onclick=\"y\">&"),
            "&lt;a href=&#39;x&#39; onclick=&quot;y&quot;&gt;&amp;"
        );
    }

    #[test]
    fn sizes_have_units() {
        for (count, text) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1 << 30, "1.0 GiB")]
        {
            assert_eq!(bytes(count), text);
        }
    }
}
