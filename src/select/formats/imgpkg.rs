//! imgpkg's `.imgpkg/images.yml`: images by digest. Source: Carvel's "ImagesLock configuration".

use super::{Reader, Refusal};
use crate::yaml::At;

pub(super) fn read(reader: &mut Reader, document: &At) -> Result<(), Refusal> {
    let (version, kind) = (document.need_text("apiVersion")?, document.need_text("kind")?);
    if (version, kind) != ("imgpkg.carvel.dev/v1alpha1", "ImagesLock") {
        return Err(document
            .wrong(format!("{kind} of {version} is not read, but ImagesLock of v1alpha1 is"))
            .into());
    }
    document.only(&["apiVersion", "kind", "images"])?;
    for at in document.need("images")?.items()? {
        at.only(&["image", "annotations"])?;
        let at = at.need("image")?;
        let text = at.text()?;
        if !text.contains('@') {
            return Err(at.wrong("an ImagesLock names images by digest").into());
        }
        reader.image(&at, text)?;
    }
    Ok(())
}
