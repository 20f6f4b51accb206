"""What the checkers of the tree share: the self-test that plants violations, and the command line.

A checker is a function from a root folder to a list of problems.  It is believed only if it is silent on a good tree and
reports each planted violation, alone and in the expected words.
"""

import pathlib
import sys
import tempfile


def self_test(check, files, planted):
    """Problems with `check`: `files` is a good tree (name to text), `planted` maps a name to (text, expected words)."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)

        def write(name, text):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)

        for name, text in files.items():
            write(name, text)
        failures = [f"reported on a good tree: {problem}" for problem in check(root)]
        for name, (text, expected) in planted.items():
            write(name, text)
            problems = check(root)
            if len(problems) != 1 or expected not in problems[0]:
                failures.append(f"planted {name}: expected '{expected}', got {problems}")
            if name in files:
                write(name, files[name])
            else:
                (root / name).unlink()
    return failures


def main(check, files, planted):
    """[ROOT] or --self-test; prints one line per problem and returns the exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        problems = self_test(check, files, planted)
    else:
        problems = check(pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent).resolve())
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0
