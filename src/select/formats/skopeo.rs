//! skopeo's YAML for `skopeo sync`. Source: skopeo-sync(1), "YAML file content".

use super::{Filter, Reader, Refusal};
use crate::oci::Reference;
use crate::yaml::At;

pub(super) fn read(reader: &mut Reader, document: &At) -> Result<(), Refusal> {
    for (registry, at) in document.entries()? {
        refuse_access(&at)?;
        let images = at.entries_of("images")?;
        for (name, at) in images {
            let repository = repository(registry, name, &at)?;
            match at.node.is_null() {
                true => reader.tags(&at, &repository, Filter::all(), "*")?,
                false => named(reader, &repository, &at)?,
            }
        }
        for (name, at) in at.entries_of("images-by-tag-regex")? {
            let (repository, text) = (repository(registry, name, &at)?, at.text()?);
            let filter = Filter::containing(text).map_err(|error| at.wrong(error))?;
            reader.tags(&at, &repository, filter, text)?;
        }
        for (name, at) in at.entries_of("images-by-semver")? {
            let (repository, text) = (repository(registry, name, &at)?, at.text()?);
            let filter = Filter::versions(text).map_err(|error| at.wrong(error))?;
            reader.tags(&at, &repository, filter, text)?;
        }
    }
    Ok(())
}

/// Tags and digests; an empty list is every tag.
fn named(reader: &mut Reader, repository: &str, at: &At) -> Result<(), Refusal> {
    let items = at.items()?;
    if items.is_empty() {
        return reader.tags(at, repository, Filter::all(), "*");
    }
    for at in items {
        let text = at.text()?;
        let mark = if text.contains(':') { '@' } else { ':' };
        reader.image(&at, &format!("{repository}{mark}{text}"))?;
    }
    Ok(())
}

/// `registry/name`, which must be a name at that registry and not one of Docker Hub.
fn repository(registry: &str, name: &str, at: &At) -> Result<String, Refusal> {
    let text = format!("{registry}/{name}");
    let parsed: Reference = text.parse().map_err(|error| at.wrong(error))?;
    match parsed.repository.host() == registry {
        true => Ok(text),
        false => Err(at.wrong(format!("{registry} is not the name of a registry")).into()),
    }
}

/// How registries are reached is said on the command line, and passwords in files.
fn refuse_access(at: &At) -> Result<(), Refusal> {
    let instead = [
        ("credentials", "give --creds HOST=USER:PASSWORD-FILE or --authfile instead"),
        ("cert-dir", "give --ca-file instead"),
    ];
    for (key, instead) in instead {
        if let Some(found) = at.get(key)? {
            return Err(found.wrong(instead).into());
        }
    }
    if let Some(found) = at.get("tls-verify")?.filter(|it| it.node.text() != Some("true")) {
        let instead = "certificates are always verified: give --ca-file, or --plain-http HOST \
                       for a registry without TLS, instead";
        return Err(found.wrong(instead).into());
    }
    Ok(at.only(&["images", "images-by-tag-regex", "images-by-semver", "tls-verify"])?)
}
