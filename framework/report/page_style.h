#pragma once

/// Style and script of the page.
namespace modeldiff {

inline constexpr const char* kPageStyle = R"css(
:root{color-scheme:light dark;--ink:#1c2024;--soft:#60646c;--line:#d9dce1;--paper:#fff;--wash:#f5f6f8;--a:#2f6fde;--b:#d97706;--good:#18794e;--bad:#c62a2f;--null:#b9bec7}
@media(prefers-color-scheme:dark){:root{--ink:#edeef0;--soft:#a3a9b3;--line:#363a3f;--paper:#151719;--wash:#1e2124;--a:#6ea8ff;--b:#ffb454;--good:#4cc38a;--bad:#ff6369;--null:#5a6069}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1240px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:26px;margin:0 0 4px;line-height:1.25}h2{font-size:19px;margin:40px 0 8px;padding-top:14px;border-top:1px solid var(--line)}h3{font-size:15px;margin:22px 0 6px}
.eyebrow{color:var(--soft);font-size:13px;letter-spacing:.02em}.soft,figcaption,.artifact{color:var(--soft)}
.verdict{background:var(--wash);border-left:4px solid var(--a);border-radius:4px;padding:12px 16px;margin:18px 0}.verdict p{margin:4px 0}.verdict p:first-child{font-size:17px;font-weight:600}
.chips{display:flex;flex-wrap:wrap;gap:6px;margin:10px 0}.chip{border:1px solid var(--line);border-radius:99px;padding:1px 10px;font-size:13px}.chip.good{color:var(--good);border-color:currentColor}.chip.bad{color:var(--bad);border-color:currentColor}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:14px}.card{border:1px solid var(--line);border-radius:8px;padding:12px 14px;min-width:0}.card h3{margin:0 0 2px}
.big{font-size:24px;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto;margin:8px 0}table{border-collapse:collapse;font-size:13.5px;min-width:100%}th,td{text-align:left;padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}th.n,td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th.n button{white-space:normal}th button{all:unset;cursor:pointer;font-weight:600;color:var(--soft)}th button:focus-visible,.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--a);outline-offset:2px}
.ci{color:var(--soft)}.artifact{font:12px ui-monospace,monospace}.keys{display:inline-flex;gap:14px;flex-wrap:wrap;font-size:13px}.keys i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:5px}.keys .a{background:var(--a)}.keys .b{background:var(--b)}
.grid{display:flex;flex-wrap:wrap;gap:8px;margin:6px 0 10px}.grid figure{margin:0;width:var(--w);font-size:11.5px;line-height:1.25}.grid i{display:block;width:var(--w);height:var(--h);background-image:var(--s);background-size:calc(var(--w)*var(--n)) var(--h);background-position:calc(var(--w)*var(--i)*-1) 0;image-rendering:pixelated;border-radius:3px;border:1px solid var(--line)}.grid .marked i{outline:2px solid var(--b);outline-offset:1px}
svg{display:block;width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:var(--soft)}.axis{stroke:var(--soft)}.rule{stroke:var(--line)}rect.a,circle.a{fill:var(--a)}rect.b,circle.b{fill:var(--b)}.null{fill:var(--null)}.observed{stroke:var(--bad);stroke-width:2}.whisker{stroke:var(--ink)}.line{fill:none;stroke-width:2}.line.a{stroke:var(--a)}.line.b{stroke:var(--b)}.band{opacity:.18}.band.a{fill:var(--a)}.band.b{fill:var(--b)}
td:last-child:not(.n){min-width:17em}td:first-child:not(.n){min-width:11em}td svg{width:120px}.heat{display:block;padding:0 4px;background:color-mix(in srgb,var(--a) calc(var(--v)*60%),transparent)}
pre{overflow-x:auto;background:var(--wash);padding:12px;border-radius:6px;font-size:12.5px}details{margin:8px 0}summary{cursor:pointer}
.pairs{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:14px}
@media print{main{max-width:none}.scroll{overflow:visible}}
)css";

/// Click on a heading: sort by that column; numbers as numbers.
inline constexpr const char* kPageScript = R"js(
document.querySelectorAll('th button').forEach(b=>b.addEventListener('click',()=>{
const th=b.parentElement,i=[...th.parentElement.children].indexOf(th),body=th.closest('table').tBodies[0],up=th.getAttribute('aria-sort')!=='ascending';
[...th.parentElement.children].forEach(t=>t.removeAttribute('aria-sort'));th.setAttribute('aria-sort',up?'ascending':'descending');
const v=r=>{const t=r.children[i].textContent.trim().replace(/^\+/,''),n=parseFloat(t);return isNaN(n)?t:n};
[...body.rows].sort((x,y)=>{const a=v(x),c=v(y),d=typeof a==='number'&&typeof c==='number'?a-c:String(a).localeCompare(String(c));return up?d:-d}).forEach(r=>body.append(r))}))
)js";

}  // namespace modeldiff
