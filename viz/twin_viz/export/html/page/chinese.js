// What the page says, in Simplified Chinese, and the words of runs that are no names.

const CHINESE = {
  "name": "中文",
  "light": "☀ 浅色", "dark": "☾ 深色", "theme": "切换浅色与深色", "language": "语言",
  "tissue": "组织", "shown": "显示内容",
  "keys": "拖动：旋转 · Shift 或右键拖动：平移 · 滚轮、+ −：缩放 · 双击、0：复位 · 单击：选细胞 · 空格：播放 · ← →：时间 · Shift 加方向键：旋转",
  "noscript": "本页用 JavaScript 绘图，而此处已将其关闭。",
  "play": "播放", "pause": "暂停", "time": "时间", "speed": "速度", "speed.about": "每秒显示的时刻数",
  "speed.of": "每秒 {n} 个时刻", "loading": "正在载入 {i} / {n}", "loading.colour": "正在读取 {name}",
  "colour": "着色", "categories": "类别：显示或隐藏", "types": "细胞类型", "types.about": "细胞类型：显示或隐藏",
  "course": "随时间的变化", "cell": "细胞", "substance": "可溶性因子", "slice.axis": "截面的轴", "slice.place": "截面位置",
  "slice.cut": "在此处剖开细胞", "cut": "剖开", "cut.axis": "剖切的轴", "cut.side": "保留哪一侧", "cut.place": "剖切位置",
  "across": "垂直于 {axis}", "keep.below": "保留 {axis} ≤ 此处", "keep.above": "保留 {axis} ≥ 此处",
  "logarithmic": "{name}（{units}），对数刻度",
  "hours": "{n} 小时", "hours.axis": "时间（小时）", "late": "超出实测时间：外推", "late.after": "{time} 之后：{late}",
  "cells": "{n} 个细胞", "cells.one": "1 个细胞", "cells.some": "显示 {shown} / {n} 个细胞", "cells.none": "此时刻未保存细胞",
  "dead": "已死亡", "no value": "无数值", "or": "{a}或{b}", "grey": "灰色：{what}", "hide": "隐藏", "show": "显示",
  "course.counts": "各{what}的细胞数随时间的变化", "course.means": "各细胞类型的平均 {what} 随时间的变化",
  "group.type": "细胞", "group.gene": "基因与基因程序", "group.state": "状态与其他数据",
  "cell.none": "单击一个细胞，可查看其数值并追踪其随时间的变化。", "cell.who": "细胞 {id}", "cell.radius": "半径 (µm)",
  "cell.place": "位置 x, y, z (µm)", "cell.alive": "存活", "yes": "是", "no": "否", "cell.clear": "取消选择",
  "cell.genes": "基因与基因程序：log(1 + 每万条计数)",
  "cell.gone": "{time} 时它不在组织中；它在 {first} 至 {last} 期间出现。", "cell.course": "细胞 {id} 的 {what} 随时间的变化",
  "canvas": "{title} 的细胞空间分布；单击一个细胞可查看其数值",
  "about.run": "运行 {of}", "about.replicate": "重复 {of}", "about.compartment": "区室 {of}", "about.scenario": "情景 {of}",
  "about.seed": "随机种子 {of}", "about.model": "世界模型 {of}", "about.twin": "twin {of}",
  "notes": "共 {n} 个时刻，所有时刻共用一个色标。位置精确到 {resolution} µm，数值精确到其范围的 1/65534。",
  "notes.futures": "共 {n} 个时刻，所有时刻与分支共用一个色标。位置精确到 {resolution} µm，数值精确到其范围的 1/65534。",
  "old": "此浏览器无法解压本页数据：请使用 Chrome 或 Edge 80、Firefox 113、Safari 16.4 或更新的版本。",
  "flat": "本页用 WebGL2 绘图，而此浏览器不支持：请在设置中开启硬件加速，或换用其他浏览器。",
  "damaged": "本页已损坏或不完整（{why}）：请重新导出。",
};

// Titles and states that a run tells in English; names of types, genes, donors and the like stay as they are.
const TERMS = {
  "cell type": "细胞类型", "state": "状态", "phase of the cycle": "细胞周期时相", "depth (counts)": "测序深度（计数）",
  "donor": "供体", "species": "物种", "technology": "测序技术", "organ": "器官", "organoid": "类器官", "niche": "微环境",
  "ec50 factor": "EC50 系数", "pressure": "压力", "clone": "克隆", "volume": "体积", "generation": "世代", "age": "年龄",
  "living": "存活", "apoptotic": "凋亡", "necrotic, swelling": "坏死（肿胀）", "necrotic, burst": "坏死（破裂）", "dead": "已死亡",
  "other": "其他", "none": "无",
};
