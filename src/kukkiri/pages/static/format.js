// Numbers for people: four significant digits (whole ones of a score out of 100), the signs of the language, SI lengths.

const LENGTHS = [[1, "m"], [1e-3, "mm"], [1e-6, "µm"], [1e-9, "nm"], [1e-12, "pm"]];
const SUPERSCRIPTS = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

export function formats(language) {
  const four = new Intl.NumberFormat(language, { minimumSignificantDigits: 4, maximumSignificantDigits: 4 });
  const few = new Intl.NumberFormat(language, { maximumSignificantDigits: 4 });
  const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });

  function number(value, format = four) {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size < 1e-3 || size >= 1e7) {
      const [mantissa, exponent] = value.toExponential(format === four ? 3 : 2).split("e");
      const digits = format === four ? mantissa : mantissa.replace(/\.?0+$/, "");
      const power = `10${[...String(Number(exponent))].map((c) => SUPERSCRIPTS[c]).join("")}`;
      return (digits === "1" ? power : `${digits} × ${power}`).replace("-", "−");
    }
    return (size >= 1e4 ? whole : format).format(value).replace("-", "−");
  }

  return {
    number,
    short: (value) => number(value, few),
    count: (value) => whole.format(value),
    percent(share) {
      if (share === null || share === undefined) return "–";
      if (share > 0 && share < 0.001) return language === "ja" ? "0.1%未満" : "< 0.1 %";
      const digits = share === 0 || share >= 0.1 ? 0 : 1;
      const text = new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(share * 100);
      return language === "ja" ? `${text}%` : `${text} %`;
    },
    // Metres with the prefix that leaves 1 to 1000.
    length(metres) {
      const [unit, name] = LENGTHS.find(([u]) => Math.abs(metres) >= u * 0.9995) ?? LENGTHS.at(-1);
      return `${number(metres / unit, few)} ${name}`;
    },
  };
}

// A value of a column, with its unit where `unit` is asked for.
export function formatValue(format, column, value, unit = false) {
  if (value === null || value === undefined) return "–";
  if (column.kind === "fraction") return format.percent(value);
  const text = column.kind === "score" ? format.count(value) : format.number(value);
  const name = column.kind === "pixels" ? "px" : column.unit;
  return unit && name ? `${text} ${name}` : text;
}
