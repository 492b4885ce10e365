//! OpenShift's `ImageDigestMirrorSet` and `ImageTagMirrorSet` (config.openshift.io/v1).
//!
//! Each says that a host, a path or a repository has mirrors; one counts for digests, one for tags.
//! Tags stay what they are, so a repository whose tags are others at the site is in the first alone.

use super::{File, Form, Limit, Site, quoted};

impl Site<'_> {
    pub(super) fn openshift(&self, limits: &mut Vec<Limit>) -> [File; 2] {
        let limit =
            |name: String, why: &str| Limit { form: Form::Openshift, name, why: why.to_owned() };
        let mut own = Vec::new();
        if self.manner.plain_http {
            let why = "that it speaks plain HTTP is said in image.config.openshift.io/cluster: \
                       spec.registrySources.insecureRegistries";
            own.push(limit(self.endpoint.to_owned(), why));
        }
        let mut by_tag = own.clone();
        let (mut digests, mut tags) = (String::new(), String::new());
        for (name, host) in &self.hosts {
            for (source, mirror, changes_tags) in self.places(name, host) {
                digests += &self.mirror(&source, &mirror);
                match changes_tags {
                    true => by_tag.push(Limit::tags(Form::Openshift, source)),
                    false => tags += &self.mirror(&source, &mirror),
                }
            }
        }
        limits.extend(by_tag.iter().cloned());
        let file = |kind: &str, field: &str, limits: &[Limit], list: String| {
            let list = if list.is_empty() { " []\n".to_owned() } else { format!("\n{list}") };
            format!(
                "{}\napiVersion: config.openshift.io/v1\nkind: {kind}\nmetadata:\n  name: gapferry\n\
                 spec:\n  {field}:{list}",
                self.head(limits)
            )
        };
        let digest = file("ImageDigestMirrorSet", "imageDigestMirrors", &own, digests);
        let tag = file("ImageTagMirrorSet", "imageTagMirrors", &by_tag, tags);
        [("image-digest-mirror-set.yaml", digest), ("image-tag-mirror-set.yaml", tag)]
            .map(|(name, text)| File { path: format!("openshift/{name}"), text })
    }

    fn mirror(&self, source: &str, mirror: &str) -> String {
        let policy = match self.manner.fallback {
            true => "AllowContactingSource",
            false => "NeverContactSource",
        };
        format!(
            "    - source: {}\n      mirrors:\n        - {}\n      mirrorSourcePolicy: {policy}\n",
            quoted(source),
            quoted(mirror)
        )
    }
}
