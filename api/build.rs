//! Puts ReDoc's bundle into the binary, where `make web-assets` has fetched it. Without it, and so without Node, the
//! build works all the same, and `/redoc` says what is missing.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const FOLDER: &str = "assets/redoc";
const PACKAGE: &str = "assets/redoc/node_modules/redoc";

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let package = Path::new(PACKAGE);
    let script = read(&package.join("bundles/redoc.standalone.js"))?;
    // ReDoc's own licence, and those of what it has in its bundle.
    let licences = [read(&package.join("LICENSE"))?, read(&package.join("bundles/redoc.standalone.js.LICENSE.txt"))?];
    fs::write(out.join("redoc.standalone.js"), script)?;
    fs::write(out.join("redoc.standalone.js.LICENSE.txt"), licences.concat())?;

    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../migrations");
    // npm dates the files of a package 1985; what it writes itself tells when it last ran. To watch a file that is not
    // there would build anew each time.
    let installed = Path::new(FOLDER).join("node_modules/.package-lock.json");
    let watched = if installed.exists() { installed } else { FOLDER.into() };
    println!("cargo::rerun-if-changed={}", watched.display());
    Ok(())
}

/// What is in the file; nothing where there is none.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}
