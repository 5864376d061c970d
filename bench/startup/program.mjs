const start = performance.now();
const { tensor } = await import("viltgrad");
tensor([1, 2, 3]);
console.log(performance.now() - start);
