//! A drop-in of containers' `registries.conf` (containers-registries.conf(5)): podman, skopeo,
//! buildah, CRI-O.
//!
//! The longest `prefix` that fits a name counts, and what follows it is appended to the location. A
//! prefix ends before the tag: tools look for names without it. So tags stay what they are, and of a
//! repository whose tags are others at the site only digests are asked for there.

use super::{File, Form, Host, Limit, Site, quoted};

/// What a table is to say of one prefix.
struct Table {
    prefix: String,
    location: String,
    /// Tags are others at the site: only digests may be asked for.
    digests_only: bool,
}

impl Site<'_> {
    pub(super) fn containers(&self, limits: &mut Vec<Limit>) -> File {
        let (mut own, mut text) = (Vec::new(), String::new());
        for (name, host) in &self.hosts {
            for table in self.tables(name, host) {
                text += &self.table(&table);
                if table.digests_only {
                    own.push(Limit::tags(Form::Containers, table.prefix));
                }
            }
        }
        text.insert_str(0, &self.head(&own));
        limits.extend(own);
        File { path: "containers/registries.conf.d/50-gapferry.conf".to_owned(), text }
    }

    fn tables(&self, name: &str, host: &Host<'_>) -> Vec<Table> {
        let places = self.places(name, host).into_iter();
        let table = |(prefix, location, digests_only)| Table { prefix, location, digests_only };
        places.map(table).collect()
    }

    fn table(&self, table: &Table) -> String {
        let Table { prefix, location, digests_only } = table;
        let insecure = if self.manner.plain_http { "insecure = true\n" } else { "" };
        let (prefix, location) = (quoted(prefix), quoted(location));
        if !digests_only && !self.manner.fallback {
            return format!("\n[[registry]]\nprefix = {prefix}\nlocation = {location}\n{insecure}");
        }
        let which = if *digests_only { "digest-only" } else { "all" };
        format!(
            "\n[[registry]]\nprefix = {prefix}\nlocation = {prefix}\n\n[[registry.mirror]]\n\
             location = {location}\n{insecure}pull-from-mirror = \"{which}\"\n"
        )
    }
}
