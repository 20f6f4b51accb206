#include "triage/report/page.h"

#include "engine/base/text.h"
#include "triage/junit.h"

namespace parallax::triage {

namespace {

constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;--page:#f7f8fb;--card:#fff;--ink:#1c2330;--soft:#5b6576;--line:#d9dee8;--accent:#2456c4;
--accent-soft:#e3ebfb;--bad:#b4202a;--bad-soft:#fde8e8;--good:#1a7f4b;--good-soft:#e0f4e8;--warn:#8a5a00;--warn-soft:#fdf1d8;
--code:#f0f2f7}
@media(prefers-color-scheme:dark){:root{--page:#12161f;--card:#1a202c;--ink:#e6eaf2;--soft:#9aa5b8;--line:#313a4c;
--accent:#8fb4ff;--accent-soft:#22304e;--bad:#ff8c8c;--bad-soft:#43202a;--good:#6fd6a0;--good-soft:#1b3a2b;--warn:#f0c060;
--warn-soft:#3d3118;--code:#222a39}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:76rem;margin:0 auto;padding:1.2rem}
h1{font-size:1.5rem;line-height:1.25;margin:.2rem 0 .8rem}h2{font-size:1.15rem;margin:0 0 .6rem}h3{font-size:1rem;margin:1rem 0 .4rem}
a{color:var(--accent)}
a:focus-visible,summary:focus-visible,button:focus-visible,select:focus-visible,input:focus-visible,[tabindex]:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:4px}
section,.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem 1.1rem;margin:0 0 1rem}
code,pre{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.86em}
code{background:var(--code);border-radius:4px;padding:.08em .3em}
pre{background:var(--code);border-radius:8px;padding:.7rem .9rem;overflow:auto;max-height:34rem;margin:.4rem 0 .8rem;overflow-wrap:normal}
pre code{padding:0;background:none}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid var(--line);overflow-wrap:break-word}
thead+tbody td{min-width:5rem}thead+tbody td:last-child{min-width:11rem}
th{color:var(--soft);font-weight:600;white-space:nowrap}
td:first-child>code:only-child{white-space:nowrap;overflow-wrap:normal}
tr:last-child td{border-bottom:0}
.chip{display:inline-block;border-radius:999px;padding:.05rem .6rem;font-size:.82rem;background:var(--accent-soft);color:var(--accent)}
.chip.bad{background:var(--bad-soft);color:var(--bad)}.chip.good{background:var(--good-soft);color:var(--good)}
.chip.warn{background:var(--warn-soft);color:var(--warn)}
.soft{color:var(--soft)}.bad{color:var(--bad)}.good{color:var(--good)}
.diff{white-space:pre}.diff .l{background:var(--good-soft);display:block}.diff .r{background:var(--bad-soft);display:block}.diff .c{display:block}
details>summary{cursor:pointer;font-weight:600}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:1rem;background:var(--card);padding:.5rem;z-index:9}
@media(max-width:40rem){main{padding:.6rem}section,.card{padding:.75rem}body{font-size:15px}th,td{padding:.3rem .35rem}}
@media print{body{background:#fff}section{break-inside:avoid}pre{max-height:none}}
)css";

}  // namespace

std::string html_page(std::string_view title, std::string_view body, std::string_view style, std::string_view script) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src 'unsafe-inline'; img-src data:\">\n<link rel=\"icon\" href=\"data:,\">\n";
  out += text::format("<title>{}</title>\n<style>{}{}</style>\n</head>\n<body>\n", escape_xml(title), kStyle, style);
  out += text::format("<a class=\"skip\" href=\"#main\">To the content</a>\n<main id=\"main\">\n{}\n</main>\n", body);
  if (!script.empty()) out += text::format("<script>{}</script>\n", script);
  return out + "</body>\n</html>\n";
}

std::string json_for_script(std::string json) {
  std::string out;
  out.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace parallax::triage
