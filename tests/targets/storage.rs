//! The storage of docker's registry, which is then started.

use crate::support::DockerRegistry;
use crate::support::images::Eyes;
use crate::{IMPORT, done, exported, names};

const PREFIXES: [&str; 5] = ["library/", "tools/", "charts/", "legacy/", "signed/"];

#[test]
fn the_registry_serves_what_was_written_while_it_was_stopped() {
    let (work, images) = exported(&PREFIXES, "");
    let to = "docker-registry-storage:storage";
    let first = work.json(&format!("{IMPORT} {to} --prefix mirror"));
    assert!(first["blobs"].as_u64().unwrap() > 5);
    let second = work.json(&format!("{IMPORT} {to} --prefix mirror"));
    assert_eq!(second["blobs"], 0);
    assert_eq!(names(&work.path("storage/.gapferry")).into_iter().collect::<Vec<_>>(), ["lock"]);
    let registry = DockerRegistry::start_on(&work.path("storage"));
    let eyes = Eyes::on(&registry.host());
    eyes.assert_whole();
    eyes.assert_holds("mirror/", &images);
    for entry in &images {
        let to = entry.digest.replace(':', "-");
        done(
            &work,
            &format!(
                "skopeo --insecure-policy copy -q --all --src-tls-verify=false \
                 docker://{}/mirror/{} dir:{to}",
                registry.host(),
                entry.name()
            ),
        );
        let manifest = crate::digest_of(&work.path(&to).join("manifest.json"));
        assert_eq!(manifest, entry.digest, "{}", entry.name());
    }
    // The referrers of a signed image, where that registry finds them.
    let signed = images.iter().find(|entry| entry.repository == "signed/app").unwrap();
    let tag = signed.digest.replace(':', "-");
    let listed = eyes.json(&format!("mirror/signed/app/manifests/{tag}"));
    assert_eq!(listed["manifests"].as_array().unwrap().len(), 3);
}

#[test]
fn it_goes_on_beside_what_the_registry_wrote() {
    let (work, images) = exported(&["library/"], "");
    let others = crate::entries(&["tools/"]);
    std::fs::create_dir(work.path("storage")).unwrap();
    {
        let registry = DockerRegistry::start_on(&work.path("storage"));
        Eyes::on(&registry.host()).push(&others);
    }
    work.ok(&format!("{IMPORT} docker-registry-storage:storage"));
    let registry = DockerRegistry::start_on(&work.path("storage"));
    let eyes = Eyes::on(&registry.host());
    eyes.assert_holds("", &images);
    eyes.assert_holds("", &others);
}

#[test]
fn a_delta_takes_from_the_storage() {
    let (work, _) = exported(&["library/busybox"], "--pack always --sequence 1");
    work.ok(&format!("{IMPORT} docker-registry-storage:storage"));
    let names = ["library/busybox:1.35", "library/multi:1.0"];
    let sources = names.map(|name| format!("oci:{}:{name}", crate::IMAGES)).join(" ");
    work.ok(&format!("export {sources} -o delta --key release.key --since bundle --sequence 2"));
    let line = "import delta --trust release.key.pub --to docker-registry-storage";
    work.refused(&format!("{line}:elsewhere"), 4, "base-missing");
    work.ok(&format!("{line}:storage"));
    let registry = DockerRegistry::start_on(&work.path("storage"));
    Eyes::on(&registry.host()).assert_whole();
    let held = crate::entries(&["library/busybox", "library/multi"]);
    let held: Vec<_> =
        held.into_iter().filter(|entry| names.contains(&entry.name().as_str())).collect();
    Eyes::on(&registry.host()).assert_holds("", &held);
}
