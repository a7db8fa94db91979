//! Embeds `assets/`: one hash over all files names their path, each is compressed once, here.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

/// What `index.html` has where the path of the other files goes.
const PLACE: &str = "{{assets}}";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=assets");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let files = files(Path::new("assets"))?;
    let mut hash = Sha256::new();
    for (name, bytes) in &files {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(bytes);
    }
    let version = hex(&hash.finalize()[..8]);
    let mut table = format!("const VERSION: &str = {version:?};\nconst ASSETS: &[Asset] = &[\n");
    for (name, mut bytes) in files {
        if name == "index.html" {
            let text = String::from_utf8(bytes).map_err(io::Error::other)?;
            bytes = text.replace(PLACE, &format!("/assets/{version}")).into_bytes();
        }
        let (plain, gzip) = (out.join(&name), out.join(format!("{name}.gz")));
        fs::write(&plain, &bytes)?;
        fs::write(&gzip, compress(&bytes)?)?;
        let etag = hex(&Sha256::digest(&bytes)[..8]);
        let kind = content_type(&name)?;
        let _ = writeln!(
            table,
            "    Asset {{ name: {name:?}, content_type: {kind:?}, etag: {etag:?}, plain: include_bytes!({plain:?}), gzip: include_bytes!({gzip:?}) }},"
        );
    }
    table.push_str("];\n");
    fs::write(out.join("assets.rs"), table)
}

/// Names and contents, in an order that does not depend on the file system.
fn files(dir: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_| io::ErrorKind::InvalidData)?;
        files.push((name, fs::read(entry.path())?));
    }
    files.sort();
    Ok(files)
}

/// gzip without time and name, so that a build repeats itself.
fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn content_type(name: &str) -> io::Result<&'static str> {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => Ok("text/html; charset=utf-8"),
        Some("css") => Ok("text/css; charset=utf-8"),
        Some("js") => Ok("text/javascript; charset=utf-8"),
        Some("svg") => Ok("image/svg+xml"),
        _ => Err(io::Error::other(format!("assets/{name}: no content type is known for this file"))),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
