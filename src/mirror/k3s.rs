//! `registries.yaml` of k3s and RKE2 (docs.k3s.io, private registry configuration).
//!
//! A host has endpoints, and rewrites: regular expressions on the path, of which the first that
//! changes it counts, in no order. So those that are written exclude each other. Tags stay what they
//! are and are always asked for, so a host whose tags are others at the site is left out.

use super::{File, Form, Host, Limit, Site, join, quoted};

impl Site<'_> {
    pub(super) fn k3s(&self, limits: &mut Vec<Limit>) -> File {
        let (mut own, mut entries) = (Vec::new(), String::new());
        let limit = |name: &str, why: String| Limit { form: Form::K3s, name: name.to_owned(), why };
        if !self.manner.fallback {
            let why = "its own registry is asked when the site's fails, unless k3s is started with \
                       --disable-default-registry-endpoint";
            own.push(limit("every host", why.to_owned()));
        }
        for (name, host) in &self.hosts {
            if *name == self.endpoint && host.common() == Some("") {
                continue;
            }
            if host.changes_tags() {
                let why = "tags are others at the site; there is no entry for it".to_owned();
                own.push(limit(name, why));
                continue;
            }
            own.extend(Limit::wider(Form::K3s, name, self.k3s_strangers(name, host)));
            entries += &self.entry(name, host);
        }
        let entries = if entries.is_empty() { " {}\n".to_owned() } else { format!("\n{entries}") };
        let text = format!("{}\nmirrors:{entries}", self.head(&own));
        limits.extend(own);
        File { path: "k3s/registries.yaml".to_owned(), text }
    }

    fn entry(&self, name: &str, host: &Host<'_>) -> String {
        let endpoint = quoted(&format!("{}://{}", self.scheme(), self.endpoint));
        let rewrites: String = rewrites(host)
            .iter()
            .map(|(from, to)| format!("      {}: {}\n", quoted(from), quoted(to)))
            .collect();
        let rewrites = match rewrites.as_str() {
            "" => String::new(),
            rewrites => format!("    rewrite:\n{rewrites}"),
        };
        format!("  {}:\n    endpoint:\n      - {endpoint}\n{rewrites}", quoted(name))
    }

    /// Images of others that would be taken for ones of this host: what is not rewritten is asked
    /// for by its own path.
    fn k3s_strangers<'s>(
        &'s self,
        name: &'s str,
        host: &'s Host<'_>,
    ) -> impl Iterator<Item = (String, &'s str)> + 's {
        let all = self.strangers(name, "").filter(|_| host.whole.is_none());
        all.filter(|(_, path)| !host.repositories.contains_key(path))
    }
}

/// Expressions on paths, and what they become.
fn rewrites(host: &Host<'_>) -> Vec<(String, String)> {
    match host.whole.as_deref() {
        Some("") => Vec::new(),
        Some(whole) => vec![("^(.*)$".to_owned(), join(whole, "$1"))],
        None => {
            let moved = host.repositories.iter().filter(|(path, it)| **path != it.to);
            moved
                .map(|(path, it)| (format!("^{}$", regex::escape(path)), it.to.to_owned()))
                .collect()
        }
    }
}
