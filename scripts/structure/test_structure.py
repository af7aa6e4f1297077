"""The checks themselves, on small trees: what is wrong is found, and what is right is not."""

import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

from source import split_tests, tokens_of

HERE = Path(__file__).parent


def check(script, files):
    """(exit status, output) of a check on a workspace of these files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            file = Path(folder, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text))
        run = subprocess.run([sys.executable, HERE / script, folder], capture_output=True, text=True, check=False)
        return run.returncode, run.stdout + run.stderr


def api(files):
    """A crate `pulso-api` of these files below `api/src`."""
    named = {f"api/src/{name}": text for name, text in files.items()}
    return {"api/Cargo.toml": '[package]\nname = "pulso-api"\n', **named}


CLEAN = {
    "lib.rs": "mod app; mod config; mod devices; mod http; mod routes;",
    "app.rs": "use crate::config::Config; pub fn run(config: Config) { crate::routes::serve(config) }",
    "config.rs": "pub struct Config;",
    "routes.rs": "use crate::devices; pub fn serve(_: crate::config::Config) { devices::configure() }",
    "devices/mod.rs": "mod routes; mod types; pub use routes::configure; pub use types::Device;",
    "devices/routes.rs": "use super::types::Device; use crate::http::Error; pub fn configure() {}",
    "devices/types.rs": "pub struct Device;",
    "http/mod.rs": "mod error; pub use error::Error;",
    "http/error.rs": "pub enum Error { Gone }",
}


class Circles(unittest.TestCase):
    def circles(self, **changed):
        return check("circles.py", api({**CLEAN, **{name.replace("__", "/") + ".rs": text for name, text in changed.items()}}))

    def test_a_clean_tree_passes(self):
        status, output = self.circles()
        self.assertEqual(status, 0, output)
        self.assertIn("circles: none", output)

    def test_a_circle_is_found_through_a_re_export(self):
        status, output = self.circles(devices__types="use crate::devices::configure; pub struct Device;")
        self.assertEqual(status, 1, output)
        self.assertIn("api/src/devices/routes.rs:1 -> api/src/devices/types.rs  (Device)", output)
        self.assertIn("api/src/devices/types.rs:1 -> api/src/devices/routes.rs  (configure)", output)

    def test_a_circle_is_found_through_paths_in_code(self):
        status, output = self.circles(devices__types="pub struct Device; fn f() { super::routes::configure() }")
        self.assertEqual(status, 1, output)

    def test_a_circle_of_a_parent_that_uses_what_it_re_exports_is_found(self):
        parent = "mod routes; mod types; pub use routes::configure; pub use types::Device; pub const MOST: u8 = 1; fn f(_: Device) {}"
        status, output = self.circles(devices__mod=parent, devices__types="use super::MOST; pub struct Device;")
        self.assertEqual(status, 1, output)

    def test_a_crate_may_be_named_like_what_it_is_used_for(self):
        status, output = self.circles(devices__types="use gauge::gauge; pub struct Device; fn f() { gauge::gauge::set() }")
        self.assertEqual(status, 0, output)

    def test_what_tests_name_does_not_count(self):
        tests = "pub struct Device; #[cfg(test)] mod tests { use crate::devices::configure; #[test] fn f() { configure() } }"
        status, output = self.circles(devices__types=tests)
        self.assertEqual(status, 0, output)

    def test_comments_and_strings_name_nothing(self):
        text = "// crate::devices::configure()\npub struct Device; const TEXT: &str = \"see crate::devices::configure\";"
        status, output = self.circles(devices__types=text)
        self.assertEqual(status, 0, output)

    def test_http_that_names_a_domain_is_found(self):
        status, output = self.circles(http__error="pub enum Error { Gone(crate::devices::Device) }")
        self.assertEqual(status, 1, output)
        self.assertIn("http names domains", output)

    def test_config_that_names_http_is_found(self):
        status, output = self.circles(config="pub struct Config(crate::http::Error);")
        self.assertEqual(status, 1, output)
        self.assertIn("config names http", output)

    def test_a_domain_that_names_routes_is_found(self):
        status, output = self.circles(devices__types="use crate::routes::serve; pub struct Device;")
        self.assertEqual(status, 1, output)
        self.assertIn("domains names routes", output)

    def test_an_api_that_names_the_worker_is_found(self):
        worker = {"worker/Cargo.toml": '[package]\nname = "pulso-worker"\n', "worker/src/lib.rs": "pub struct Batch;"}
        files = {**api({**CLEAN, "config.rs": "pub struct Config(pulso_worker::Batch);"}), **worker}
        status, output = check("circles.py", files)
        self.assertEqual(status, 1, output)
        self.assertIn("pulso_api names pulso_worker", output)


class Roles(unittest.TestCase):
    def roles(self, **changed):
        things = {"catalogue/import.rs": "", "orders/checkout.rs": "", **{f"ingest/{name}.rs": "" for name in ("ack", "intake", "item", "limit", "target")}}
        return check("roles.py", api({**CLEAN, **things, **{name.replace("__", "/") + ".rs": text for name, text in changed.items()}}))

    def test_a_clean_tree_passes(self):
        status, output = self.roles()
        self.assertEqual(status, 0, output)

    def test_another_file_name_is_found(self):
        status, output = self.roles(devices__body="pub struct Body;")
        self.assertEqual(status, 1, output)
        self.assertIn("api/src/devices: neither a role nor listed in scripts/structure/roles.py: body.rs", output)

    def test_sql_outside_of_a_store_is_found(self):
        query = """pub fn list() { diesel::sql_query("SELECT id FROM devices") }"""
        status, output = self.roles(devices__queries=query)
        self.assertEqual(status, 1, output)
        self.assertIn("api/src/devices/queries.rs:1  'sql_query'", output)
        status, output = self.roles(devices__store=query)
        self.assertEqual(status, 0, output)

    def test_a_table_outside_of_a_store_is_found(self):
        module = "mod queries; mod routes; mod types; pub use routes::configure; pub use types::Device;"
        files = {"lib": CLEAN["lib.rs"] + "mod schema;", "schema": "table! { devices {} }", "devices__mod": module}
        status, output = self.roles(**files, devices__queries="use crate::schema::devices;")
        self.assertEqual(status, 1, output)
        self.assertIn("SQL outside of a store", output)

    def test_types_that_know_http_are_found(self):
        status, output = self.roles(devices__types="use actix_web::HttpResponse; pub struct Device;")
        self.assertEqual(status, 1, output)
        self.assertIn("types names actix_web", output)

    def test_a_store_that_names_routes_is_found(self):
        module = "mod store; mod routes; mod types; pub use routes::configure; pub use types::Device;"
        status, output = self.roles(devices__mod=module, devices__store="use super::routes::configure;")
        self.assertEqual(status, 1, output)
        self.assertIn("store names routes", output)


class Source(unittest.TestCase):
    def test_what_stands_under_a_test_attribute_is_a_test(self):
        text = "fn a() {} #[cfg(test)] #[path = \"x\"] mod tests { fn b() {} } #[tokio::test] async fn c() {} fn d() {}"
        production, tests = split_tests(tokens_of(text))
        names = [token.text for token in production if len(token.text) == 1 and token.kind == "name"]
        self.assertEqual(names, ["a", "d"])
        self.assertEqual(len(tests), 2)

    def test_a_quote_may_be_a_lifetime_a_character_or_a_string(self):
        kinds = [token.kind for token in tokens_of("""fn f<'a>(x: &'a str) -> char { '\\'' } r#"a "b" c"# 'x' "//" """)]
        self.assertEqual(kinds.count("lifetime"), 2)
        self.assertEqual(kinds.count("char"), 2)
        self.assertEqual(kinds.count("string"), 2)
        self.assertNotIn("comment", kinds)


if __name__ == "__main__":
    unittest.main()
