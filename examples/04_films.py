"""From one film to all of them: 3,201 real films, read once and solved exactly."""

from importlib.resources import files

import deltarule as dr

films = files("deltarule") / "data" / "movies.csv"
model = dr.learn(str(films), predict="gross", using=["budget", "genre"])

print(model)
print()
film = {"budget": 200_000, "genre": "Action"}
print(f"a film like Mad Max: {model.predict(film)['gross_prediction']:,.0f} dollars")
for part, dollars in model.explain(film).items():
    print(f"  {part:>20} {dollars:>15,.0f}")
