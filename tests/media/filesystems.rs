//! Real file systems: that are full, that know no case and no colons, that lose what was written.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::command::Work;
use super::mounted::Mounted;
use super::{TRUST, export, layout, tree};

const MIB: u64 = 1 << 20;

/// What is in a directory, but for what the file system put there.
fn content(root: &Path) -> super::Tree {
    let mut tree = tree(root);
    tree.retain(|name, _| !name.starts_with("lost+found"));
    tree
}

#[test]
fn a_full_disk_seals_nothing_and_with_more_room_it_goes_on() {
    for (out, options) in [("m", ""), ("m/b.tar", ""), ("m", "--volume-size 2MiB")] {
        let work = Work::new();
        layout(&work, &[&[900_000; 3], &[900_000; 3]]);
        work.ok(&export(2, &format!("-o {} {options} --store-layers", out.replace('m', "good"))));
        let disk = Mounted::ext4(&work, "m", 16 * MIB);
        let filler = disk.fill(11 * MIB);
        let line = export(2, &format!("-o {out} {options} --store-layers"));
        // Refused with figures before; then begun all the same.
        let message = work.refused(&line, 1, "no-space");
        assert!(message.contains("needs 5.1") && message.contains("are free"), "{message}");
        assert!(content(&disk.place).is_empty());
        let forced = format!("{line} --no-space-check");
        let message = work.refused(&forced, 1, "file");
        assert!(message.contains("No space left on device"), "{message}");
        assert!(
            !content(&disk.place).keys().any(|it| it.ends_with("seal") || it.ends_with("b.tar"))
        );
        // What is written counts: no room for all of it is asked for, but for what is lacking.
        let message = work.refused(&line, 1, "no-space");
        assert!(!message.contains("needs 5.1"), "{message}");
        std::fs::remove_file(filler).unwrap();
        work.ok(&line);
        assert!(content(&disk.place) == tree(&work.path("good")), "{out} {options}");
    }
}

/// A stick with just room for what is lacking goes on.
#[test]
fn an_export_that_goes_on_needs_room_for_the_rest_alone() {
    let work = Work::new();
    layout(&work, &[&[900_000; 3], &[900_000; 3]]);
    let disk = Mounted::ext4(&work, "m", 16 * MIB);
    let filler = disk.fill(11 * MIB);
    let line = export(2, "-o m --store-layers");
    work.refused(&format!("{line} --no-space-check"), 1, "file");
    let free = || {
        let said = rustix::fs::statvfs(&disk.place).unwrap();
        said.f_bavail * said.f_frsize
    };
    std::fs::remove_file(filler).unwrap();
    let lacking = 4 * MIB;
    disk.fill(free() - lacking);
    // All of it would not fit, and what is lacking does.
    work.ok(&line);
    work.ok(&format!("verify m {TRUST}"));
}

/// Media are filled to the brim, by what their file systems say is free.
#[test]
fn two_disks_are_filled_as_far_as_they_go() {
    let work = Work::new();
    layout(&work, &[&[400_000; 30]]);
    let (a, b) = (Mounted::ext4(&work, "a", 10 * MIB), Mounted::ext4(&work, "b", 12 * MIB));
    for (name, pack) in [("never", "--store-layers"), ("always", "--pack always --scratch .")] {
        let line = export(1, &format!("--media a,b --volume-size 3MiB {pack} --read-back"));
        let said = work.json(&line);
        let on = |at: usize| said["media"][at]["volumes"].as_array().unwrap().len();
        assert!(on(0) >= 2 && on(1) >= 2, "{name}: {said}");
        work.ok(&format!("verify b a {TRUST}"));
        for place in [&a.place, &b.place] {
            for name in content(place).into_keys() {
                std::fs::remove_file(place.join(name)).unwrap();
            }
        }
    }
    let small = Mounted::ext4(&work, "c", 4 * MIB);
    let line = export(1, "--media a,c --volume-size 3MiB --store-layers");
    let message = work.refused(&line, 1, "no-space");
    assert!(message.contains("MiB on a, ") && message.contains("MiB on c; "), "{message}");
    assert!(content(&a.place).is_empty() && content(&small.place).is_empty());
}

/// What was begun on several media has the places that it had, and asks for the room that it lacks.
#[test]
fn media_that_filled_up_meanwhile_are_told() {
    let work = Work::new();
    layout(&work, &[&[900_000; 6], &[900_000; 6]]);
    let line = export(2, "--media a,b --volume-size 3MiB --store-layers");
    let last = gapferry::oci::Digest::of(&super::noise(900_000, 206)).hex();
    let last = work.path("layout/blobs/sha256").join(last);
    std::fs::rename(&last, work.path("away")).unwrap();
    let (a, b) = (Mounted::ext4(&work, "a", 10 * MIB), Mounted::ext4(&work, "b", 10 * MIB));
    work.refused(&line, 1, "not-found");
    std::fs::rename(work.path("away"), &last).unwrap();
    let free = |disk: &Mounted| {
        let said = rustix::fs::statvfs(&disk.place).unwrap();
        said.f_bavail * said.f_frsize
    };
    let fillers = [&a, &b].map(|disk| disk.fill(free(disk) - 100_000));
    let message = work.refused(&line, 1, "no-space");
    // One layer, and not the eleven that are there.
    assert!(message.starts_with("needs 86") && message.contains(" KiB more, and "), "{message}");
    fillers.iter().for_each(|filler| std::fs::remove_file(filler).unwrap());
    work.ok(&line);
    work.ok(&format!("verify a b {TRUST}"));
}

#[test]
fn fat_takes_every_name() {
    let work = Work::new();
    layout(&work, &[&[700_000; 4]]);
    let stick = Mounted::fat(&work, "fat", 64 * MIB);
    // It is FAT that is behind it.
    std::fs::write(stick.place.join("Case"), "x").unwrap();
    assert!(stick.place.join("cASE").exists());
    assert!(std::fs::write(stick.place.join("a:b"), "x").is_err());
    std::fs::remove_file(stick.place.join("Case")).unwrap();
    work.ok(&export(1, "-o good --volume-size 2MiB --store-layers"));
    // fusefat writes no byte behind the end of a file: one blob after the other.
    let options = "--store-layers --read-back --jobs 1";
    work.ok(&export(1, &format!("-o fat/v --volume-size 2MiB {options}")));
    work.ok(&export(1, &format!("-o fat/d {options}")));
    work.ok(&export(1, &format!("-o fat/b.tar {options}")));
    assert!(tree(&work.path("fat/v")) == tree(&work.path("good")));
    let names = tree(&stick.place).into_keys().map(|it| it.display().to_string().to_lowercase());
    let names: Vec<String> = names.collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    work.ok(&format!("stage fat/v -o staged {TRUST}"));
    assert!(tree(&work.path("staged")) == tree(&work.path("good")));
    work.ok(&format!("import fat/d {TRUST} --to oci:target"));
    // What came to the image is there for a tool that knows nothing of the mount.
    let image = stick.unmount();
    let line = format!("mcopy -n -s -i {} ::/v copied", image.display());
    assert!(work.tool(&line).status().unwrap().success());
    assert!(tree(&work.path("copied")) == tree(&work.path("good")));
}

/// The kernel's FAT says what it is; strace says it here in its place, for not every kernel has it.
#[test]
fn four_gibibytes_are_too_much_for_a_file_on_fat() {
    let work = Work::new();
    layout(&work, &[&[1000]]);
    // A layer that is larger than it is: a dry run reads none.
    let manifests = tree(&work.path("layout/blobs/sha256"));
    let is_manifest = |bytes: &&Vec<u8>| bytes.windows(6).any(|it| it == b"layers");
    let manifest = manifests.values().find(is_manifest).unwrap();
    let manifest = String::from_utf8(manifest.clone()).unwrap();
    let grown = manifest.replace("\"size\":1000", "\"size\":5368709120");
    let digest = gapferry::oci::Digest::of(grown.as_bytes());
    work.write(&format!("layout/blobs/sha256/{}", digest.hex()), &grown);
    let index = String::from_utf8(work.read("layout/index.json")).unwrap();
    let old = gapferry::oci::Digest::of(manifest.as_bytes()).to_string();
    let size = format!("\"size\":{}", manifest.len());
    let index = index.replace(&old, &digest.to_string());
    work.write("layout/index.json", index.replace(&size, &format!("\"size\":{}", grown.len())));
    // f_type of FAT; blocks of 4 KiB; 16 TiB in all, free, and free for users.
    let fat = format!("444d0000000000000010000000000000{}", "0000000001000000".repeat(3));
    let said = |options: &str| {
        let line = format!(
            "strace -f -qq -o /dev/null -e trace=statfs -e inject=statfs:poke_exit=@arg2={fat} {} {} \
             --store-layers --dry-run --output json",
            env!("CARGO_BIN_EXE_gapferry"),
            export(1, options)
        );
        let output = work.tool(&line).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), text)
    };
    let (exit, text) = said("-o b.tar");
    assert!(exit == Some(1) && text.contains("\"code\":\"fat-limit\""), "{text}");
    let (exit, text) = said("--media m --volume-size 6GiB");
    assert!(exit == Some(1) && text.contains("\"code\":\"fat-limit\""), "{text}");
    // By themselves, volumes are as large as FAT allows.
    let (exit, text) = said("--media m");
    assert!(exit == Some(1) && text.contains("\"code\":\"no-space\""), "{text}");
}

/// A stick that says more than it has: what was written is in memory, and not on it. Only reading back
/// from the medium tells.
#[test]
fn a_stick_that_loses_what_was_written_is_found_by_reading_back() {
    for read_back in [true, false] {
        let work = Work::new();
        layout(&work, &[&[900_000; 10]]);
        let stick = Mounted::ext4(&work, "m", 16 * MIB);
        let other = work.path("n");
        let options = "--media m,n=3MiB --volume-size 2MiB --store-layers";
        let more = if read_back { "--read-back" } else { "" };
        // The first call that asks for the medium itself waits until the stick has lost it.
        let call = if read_back { "fadvise64" } else { "exit_group" };
        let line = format!(
            "strace -f -qq -o /dev/null -e trace={call} -e inject={call}:delay_enter=3000000:when=1 \
             {} {} {more} --output json",
            env!("CARGO_BIN_EXE_gapferry"),
            export(1, options)
        );
        let (stdout, stderr) = (std::process::Stdio::piped(), std::process::Stdio::piped());
        let child = work.tool(&line).stdout(stdout).stderr(stderr).spawn().unwrap();
        let began = Instant::now();
        while !other.join("seal").exists() && began.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(20));
        }
        stick.lose(6 * MIB);
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        match read_back {
            true => {
                assert_eq!(output.status.code(), Some(3), "{errors}");
                let codes = ["damaged", "bad-archive"].map(|code| format!("\"code\":\"{code}\""));
                assert!(codes.iter().any(|code| errors.contains(code)), "{errors}");
                assert!(errors.contains("m/volume-000"), "{errors}");
            }
            // Without, nobody looks.
            false => assert!(output.status.success(), "{errors}"),
        }
    }
}

/// What is held while layers are packed is known before, asked for, and never more.
#[test]
fn scratch_space_is_bounded_and_said() {
    for jobs in [1, 3] {
        let work = Work::new();
        layout(&work, &[&[300_000, 900_000, 500_000, 100_000, 800_000, 700_000]]);
        let line = export(1, &format!("-o out --pack always --scratch s --jobs {jobs}"));
        let peak = work.json(&format!("{line} --dry-run"))["scratchBytes"].as_u64().unwrap();
        // In whole blocks, and of the layers that follow each other.
        let expected = if jobs == 1 { 901_120 } else { 1_605_632 + 102_400 };
        assert_eq!(peak, expected, "{jobs}");
        let text = work.ok(&format!("{line} --dry-run"));
        assert!(text.contains(" would be held in s\n"), "{text}");
        let small = Mounted::tmpfs(&work, "s", peak - 4096);
        let message = work.refused(&line, 1, "no-space");
        assert!(message.contains("are free on s"), "{message}");
        assert!(!work.path("out").exists());
        drop(small);
        std::fs::remove_dir(work.path("s")).unwrap();
        let _exact = Mounted::tmpfs(&work, "s", peak);
        work.ok(&line);
        work.ok(&format!("verify out {TRUST}"));
    }
}
