"""What `./run dist` stands on, checked without running it: the parts that must agree, and the check of
what it makes."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(os.environ["UFFIZI_SOURCE"])
DIST = SOURCE / "scripts" / "dist"


def recipes():
    text = (DIST / "dependencies.sh").read_text()
    return re.search(r"^libraries=\((.*?)\)", text, re.M | re.S)[1].split()


def test_every_library_is_in_the_bill_of_materials_and_in_the_table():
    components = json.loads((DIST / "components.json").read_text())
    # libheif: headers only. image: what the OCI image holds beside the program.
    assert {c["package"] for c in components if c.get("from") != "PyPI"} == set(recipes()) - {"libheif", "image"}
    versions = re.findall(r"^(\w+)_version=", (SOURCE / "scripts" / "dist.sh").read_text(), re.M)
    assert [c["package"] for c in components if c.get("from") == "PyPI"] == versions
    table = (SOURCE / "docs" / "dependencies.md").read_text()
    for component in components:
        row = re.search(rf"^\| {re.escape(component['name'])} \|(.*)\|$", table, re.M)
        assert row, f"docs/dependencies.md has no row for {component['name']}"
        use, licence, size = (cell.strip() for cell in row[1].split("|"))
        assert (use, licence) == (component["use"], component["license"])
        assert re.fullmatch(r"\d+|headers", size)


def test_no_licence_forbids_it():
    for component in json.loads((DIST / "components.json").read_text()):
        # The exception lets programs with any licence contain the compiler's libraries.
        licence = component["license"].replace("GPL-3.0-or-later WITH GCC-exception-3.1", "")
        assert not re.search(r"(?<!L)GPL|AGPL|NonCommercial", licence), component


def test_versions_agree():
    version = subprocess.check_output([SOURCE / "scripts" / "version.sh"], text=True).strip()
    pom = (SOURCE / "bindings" / "jvm" / "pom.xml").read_text()
    assert re.search(r"<version>(.*?)</version>", pom)[1] in (version, "${revision}")


@pytest.fixture
def build(tmp_path):
    """Makes a build folder whose one library is compiled from a text."""

    def compile_library(text, *flags, name="src/libuffizi.so.0.1.0"):
        shutil.rmtree(tmp_path / "build", ignore_errors=True)
        for folder in ("bin", "src", "jvm", "python"):
            (tmp_path / "build" / folder).mkdir(parents=True)
        program, library = tmp_path / "build" / "bin" / "uffizi", tmp_path / "build" / name
        (tmp_path / "main.c").write_text("int main(void) { return 0; }")
        (tmp_path / "library.cc").write_text(text)
        # -nostartfiles: this machine's start files may want a newer C library.
        subprocess.run(["cc", "-shared", "-fPIC", "-nostartfiles", tmp_path / "main.c", "-o", program], check=True)
        subprocess.run(
            ["c++", "-shared", "-fPIC", "-nostartfiles", "-fvisibility=hidden", tmp_path / "library.cc", "-o", library,
             *flags], check=True,
        )
        return subprocess.run([DIST / "check_native.sh", tmp_path / "build"], capture_output=True, text=True)

    return compile_library


SHOWN = 'extern "C" __attribute__((visibility("default"))) int '


def test_what_wants_only_the_c_library_passes(build):
    done = build(f"#include <string.h>\n{SHOWN} uffizi_x(const char* t) {{ return (int)strlen(t); }}", "-nodefaultlibs", "-lc")
    assert done.returncode == 0, done.stderr
    assert "libuffizi.so.0.1.0" in done.stdout


@pytest.mark.parametrize(
    ("text", "flags", "words"),
    [
        ("#include <stdexcept>\n" + SHOWN + 'uffizi_x() { throw std::runtime_error("x"); }', [], "needs libstdc++.so.6"),
        ("#include <unistd.h>\n" + SHOWN + "uffizi_x() { return gettid(); }", ["-nodefaultlibs", "-lc"], "needs GLIBC_2.30"),
        (SHOWN + "other() { return 1; }", ["-nodefaultlibs"], "shows the symbol other"),
        (SHOWN + "uffizi_x() { return 1; }\nextern \"C\" __attribute__((visibility(\"default\"))) char uffizi_big[26 << 20] = {1};",
         ["-nodefaultlibs"], "over 25 MB"),
        (SHOWN + "uffizi_x() { return 1; }\nextern \"C\" __attribute__((visibility(\"default\"))) char uffizi_file[] = "
         f"\"{os.getcwd()}/x.cc\";", ["-nodefaultlibs"], "names the folder"),
    ],
)
def test_what_not_every_linux_runs_is_refused(build, text, flags, words):
    done = build(text, *flags)
    assert done.returncode == 1, done
    assert words in done.stderr


def test_what_a_c_library_of_2018_lacks_is_there(tmp_path):
    """compat.c's functions take the place of this machine's own, and do the same."""
    (tmp_path / "main.cc").write_text("""
        #include <chrono>
        #include <condition_variable>
        #include <cstdio>
        #include <mutex>
        #include <random>
        #include <stdexcept>
        #include <thread>
        using namespace std::chrono_literals;
        int Thrower(int x) { if (x > 0) throw std::runtime_error("thrown"); return x; }
        int main() {
          const auto begin = std::chrono::steady_clock::now();
          try { Thrower(1); } catch (const std::exception& error) { std::puts(error.what()); }
          std::mutex mutex;
          std::condition_variable changed;
          bool done = false;
          std::unique_lock lock(mutex);
          if (changed.wait_for(lock, 50ms, [&] { return done; })) return 1;
          std::thread other([&] { const std::lock_guard hold(mutex); done = true; changed.notify_one(); });
          if (!changed.wait_for(lock, 60s, [&] { return done; })) return 2;
          other.join();
          std::timed_mutex timed;
          timed.lock();
          bool got = true;
          std::thread([&] { got = timed.try_lock_for(50ms); }).join();
          if (got) return 3;
          timed.unlock();
          if (!timed.try_lock_for(50ms)) return 4;
          std::random_device random;
          if (random() == random() && random() == random()) return 5;
          const auto took = std::chrono::steady_clock::now() - begin;
          std::puts(took > 95ms && took < 60s ? "in time" : "not in time");
        }
    """)
    program = tmp_path / "program"
    subprocess.run(["cc", "-O2", "-c", DIST / "compat.c", "-o", tmp_path / "compat.o"], check=True)
    subprocess.run(
        ["c++", "-std=c++20", "-O2", "-static-libstdc++", "-static-libgcc", tmp_path / "main.cc", tmp_path / "compat.o",
         "-o", program, "-pthread"], check=True,
    )
    wanted = subprocess.check_output(["nm", "-D", "--undefined-only", program], text=True)
    for name in ("_dl_find_object", "pthread_cond_clockwait", "pthread_mutex_clocklock", "arc4random"):
        assert name not in wanted
    assert subprocess.check_output([program], text=True) == "thrown\nin time\n"
