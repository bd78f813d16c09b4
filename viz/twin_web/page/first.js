// Before anything is drawn: the language and the colours, so that nobody sees the wrong ones flash by.
"use strict";
(() => {
  const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const chinese = (navigator.languages || [navigator.language]).find((tag) => /^(zh|en)\b/i.test(tag)) || "en";
  const language = kept("twin.language") || (/^zh/i.test(chinese) ? "zh" : "en");
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.documentElement.dataset.theme = kept("twin.theme") || (dark ? "dark" : "light");
})();
